package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/internal/ctl"
)

func (a *app) lookCommands() []*cobra.Command {
	return []*cobra.Command{a.status(), a.show(), a.checks(), a.explain(), a.events()}
}

func (a *app) status() *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use: "status", GroupID: look, Args: cobra.NoArgs,
		Short: "one sentence on how the cluster is, then every host",
		Long: `status says in one sentence who writes and what can still be lost, then what is
not as it should be, then every host with its state and the reason for it, then
the last event.

OK means that all is well; WARN that clients are served but something is lost or
forbidden; CRIT that nobody can write. "can lose 2 more database hosts" counts
hosts that go one after the other.`,
		Example: `  mmmctl status
  mmmctl status --check          # exit code 10 for WARN, 11 for CRIT
  mmmctl status -o json | jq -r .writer`,
	}
	cmd.Flags().BoolVar(&check, "check", false, "exit with 10 for WARN and 11 for CRIT")
	cmd.RunE = a.do(func(ctx context.Context, c *ctl.Ctl, _ []string) error { return c.Status(ctx, check) })
	return cmd
}

func (a *app) show() *cobra.Command {
	return &cobra.Command{
		Use: "show", GroupID: look, Args: cobra.NoArgs,
		Short: "every host in the format of mmm_control show",
		Long: `show prints a line for each host exactly as mysql-mmm did, for eyes and scripts
that know it. With -o json it is the document of status.`,
		Example: `  mmmctl show
    db1(192.0.2.161) master/ONLINE. Roles: writer(192.0.2.113)
    db2(192.0.2.162) master/ONLINE. Roles: reader(192.0.2.111)`,
		RunE: a.do(func(ctx context.Context, c *ctl.Ctl, _ []string) error { return c.Show(ctx) }),
	}
}

func (a *app) checks() *cobra.Command {
	return &cobra.Command{
		Use: "checks [HOST|all [CHECK|all]]", GroupID: look, Args: cobra.MaximumNArgs(2),
		Short: "the checks of each host and when they last changed",
		Long: `checks prints what each host's agent finds: ping (the agent itself), mysql,
rep_threads (replication runs and follows the right host) and rep_backlog (lag
within checks.backlogMax). A host whose agent is gone has no good checks.`,
		Example: `  mmmctl checks
  mmmctl checks db2 rep_backlog`,
		ValidArgsFunction: a.hostArg(0),
		RunE: a.do(func(ctx context.Context, c *ctl.Ctl, args []string) error {
			words := append(args, "", "")
			return c.Checks(ctx, words[0], words[1])
		}),
	}
}

func (a *app) explain() *cobra.Command {
	return &cobra.Command{
		Use: "explain [HOST]", GroupID: look, Args: cobra.MaximumNArgs(1),
		Short: "why a host is in its state, and who could be the next writer",
		Long: `explain says why a host is in its state, what its replication does, and whether
it could become writer. Without a host it is about the writer: who acknowledges
its commits, or what an election waits for, and a line for every host.`,
		Example: `  mmmctl explain
  mmmctl explain db3`,
		ValidArgsFunction: a.hostArg(0),
		RunE: a.do(func(ctx context.Context, c *ctl.Ctl, args []string) error {
			return c.Explain(ctx, append(args, "")[0])
		}),
	}
}

func (a *app) events() *cobra.Command {
	var (
		n      int
		since  time.Duration
		follow bool
	)
	cmd := &cobra.Command{
		Use: "events", GroupID: look, Args: cobra.NoArgs, Aliases: []string{"history"},
		Short: "what was decided, by whom and why",
		Long: `events prints what agents and operators decided, oldest first. Each host keeps its
newest 200 events in etcd; what is older is in the log of its agent.`,
		Example: `  mmmctl events -n 50
  mmmctl events --since 24h
  mmmctl events -f -o json       # one JSON object a line`,
	}
	cmd.Flags().IntVarP(&n, "lines", "n", 20, "how many of the newest; 0: all")
	cmd.Flags().DurationVar(&since, "since", 0, "only those of the last 30m, 24h, ...")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on printing as they come")
	cmd.RunE = a.do(func(ctx context.Context, c *ctl.Ctl, _ []string) error {
		var from time.Time
		if since > 0 {
			from = time.Now().Add(-since)
			if !cmd.Flags().Changed("lines") {
				n = 0
			}
		}
		return c.Events(ctx, from, n, follow)
	})
	return cmd
}
