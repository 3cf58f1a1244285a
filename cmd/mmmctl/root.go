package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/internal/ctl"
)

// The groups of the help page.
const (
	look  = "look"
	act   = "act"
	setup = "setup"
)

// completionLimit keeps the shell usable while etcd is away.
const completionLimit = 500 * time.Millisecond

// root builds the whole command line.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "mmmctl",
		Short: "look at a MariaDB/MySQL cluster and steer it",
		Long: `mmmctl shows how a cluster is and places wishes and orders in its etcd; the
agents on the database hosts carry them out. It needs nothing but etcd, so it
works from any machine and does not care which host is down.

Commands that change something wait until the end is reached (--no-wait does
not) and check everything before the first change. Data goes to standard output,
progress and errors to standard error.

Settings come from flags, then the environment (MMM_ENDPOINTS, MMM_CLUSTER, ...),
then ` + fileDefault + `, then defaults.

Exit codes:
   0  done, or healthy
   1  error
   2  wrong usage, or a confirmation was needed and standard input is no terminal
   3  refused by a safety check, or undone: nothing was changed
   4  etcd cannot be reached
   5  timed out; it may still be in progress
   6  partly done; the text names what
   7  no such host, role, VIP or cluster
  10  status --check: WARN
  11  status --check: CRIT`,
		Example: `  mmmctl status
  mmmctl switchover --to db2 --reason "kernel update"
  mmmctl explain db3`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRun: func(*cobra.Command, []string) {
			a.started = true
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.AddGroup(
		&cobra.Group{ID: look, Title: "Look:"},
		&cobra.Group{ID: act, Title: "Act:"},
		&cobra.Group{ID: setup, Title: "Set up:"})
	root.SetHelpCommandGroupID(setup)
	root.SetCompletionCommandGroupID(setup)
	f := root.PersistentFlags()
	a.flags.define(f)
	f.StringVar(&a.file, "config", "", "settings file (MMM_CONFIG; default "+fileDefault+")")
	f.StringVar(&a.reason, "reason", "", "why, for the history and for whoever looks next")
	f.BoolVarP(&a.yes, "yes", "y", false, "do not ask for a confirmation")
	f.BoolVar(&a.noWait, "no-wait", false, "return when the order stands, not when it is carried out")
	root.AddCommand(a.lookCommands()...)
	root.AddCommand(a.actCommands()...)
	root.AddCommand(a.setupCommands()...)
	return root
}

// do is the body of a command that needs the cluster.
func (a *app) do(what func(ctx context.Context, c *ctl.Ctl, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := a.connect(cmd)
		if err != nil {
			return err
		}
		return what(cmd.Context(), c, args)
	}
}

// hostArg completes the name of a host as the nth word.
func (a *app) hostArg(n int) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) != n {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		c, err := a.connect(cmd)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionLimit)
		defer cancel()
		cl, err := c.Store.Load(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for _, h := range cl.Spec.Value.Hosts {
			names = append(names, h.Name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
