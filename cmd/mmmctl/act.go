package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/internal/ctl"
	"github.com/mmm-ha/mmm/topology"
)

func (a *app) actCommands() []*cobra.Command {
	return []*cobra.Command{
		a.switchover(), a.failover(), a.setOnline(), a.setOffline(), a.rejoin(), a.reclone(), a.mode(),
		a.setMode(topology.Active), a.setMode(topology.Manual), a.setMode(topology.Passive),
		a.moveRole(), a.setIP(), a.unpin(),
	}
}

func (a *app) switchover() *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use: "switchover", GroupID: act, Args: cobra.NoArgs,
		Short: "move the writer to another host without losing anything",
		Long: `switchover moves the writer. It prints for every host whether it can take over
and why not, asks for a confirmation, and waits for the end: the old writer stops
writing, the target applies everything, and the writer's key changes hands in one
step. When a step does not work in time the old writer opens again (exit code 3).

Refused when the target is not ONLINE, does not acknowledge commits, or may not
be writer; when there is no writer in mode ACTIVE (the next one is elected without
you); in mode PASSIVE; and while another order is under way.

Without a writer and in mode MANUAL it orders an election. It never gives up an
acknowledged write.`,
		Example: `  mmmctl switchover                       # to the best candidate
  mmmctl switchover --to db2 --yes --reason "kernel update"`,
	}
	cmd.Flags().StringVar(&to, "to", "", "the new writer; without it the best candidate")
	_ = cmd.RegisterFlagCompletionFunc("to", a.hostArg(0)) // fails only for a flag that is not there
	cmd.RunE = a.do(func(ctx context.Context, c *ctl.Ctl, _ []string) error { return c.Switchover(ctx, to) })
	return cmd
}

func (a *app) failover() *cobra.Command {
	var to string
	var accept bool
	cmd := &cobra.Command{
		Use: "failover", GroupID: act, Args: cobra.NoArgs,
		Short: "go on without hosts that may hold the last copy of a write",
		Long: `failover is for the day on which the writer and those who acknowledged its last
writes are gone together. The cluster stops then, because nobody can prove that
nothing is missing. failover says who is missing and what would be lost, and
changes nothing.

With --accept-loss it asks for a confirmation and makes the host named by --to the
writer, from all that the hosts still there hold together. What was given up is
written down. A host that was missing is held in AWAITING_RECOVERY when it comes
back, and joins again only after somebody has looked at it (set-online). The word
counts once, and only for what was shown: when another host goes missing before
it is carried out, it is void.

Refused while there is a writer (switchover moves it), when nothing is missing (the
next writer is elected without you), for a host that may not be writer, in mode
PASSIVE, and while another order is under way.`,
		Example: `  mmmctl failover --to db2
  mmmctl failover --to db2 --accept-loss --reason "fire in room 2"`,
	}
	cmd.Flags().StringVar(&to, "to", "", "the new writer")
	cmd.Flags().BoolVar(&accept, "accept-loss", false, "give up what the missing hosts hold")
	_ = cmd.MarkFlagRequired("to")                         // fails only for a flag that is not there
	_ = cmd.RegisterFlagCompletionFunc("to", a.hostArg(0)) // the same
	cmd.RunE = a.do(func(ctx context.Context, c *ctl.Ctl, _ []string) error { return c.Failover(ctx, to, accept) })
	return cmd
}

func (a *app) setOnline() *cobra.Command {
	return &cobra.Command{
		Use: "set-online HOST", GroupID: act, Args: cobra.ExactArgs(1),
		Short: "bring a host back that is ADMIN_OFFLINE or AWAITING_RECOVERY",
		Long: `set-online says that a host shall serve again, and waits until it is ONLINE. The
host's own agent brings it back when its checks are good.

Refused for a host in any other state (what is broken must be mended, not wished
away) and for one whose agent or mysqld is gone.`,
		Example:           `  mmmctl set-online db1`,
		ValidArgsFunction: a.hostArg(0),
		RunE:              a.do(func(ctx context.Context, c *ctl.Ctl, args []string) error { return c.SetOnline(ctx, args[0]) }),
	}
}

func (a *app) setOffline() *cobra.Command {
	return &cobra.Command{
		Use: "set-offline HOST", GroupID: act, Args: cobra.ExactArgs(1),
		Short: "take a host out of service",
		Long: `set-offline takes a host out: it gives up its reader VIPs and takes part in no
election until set-online. The writer hands its role over first, by a planned
switchover to the best candidate, and you are asked for a confirmation.

Refused when nobody can take the writer role, and for the last host that
acknowledges the writer's commits, because without it writes stop.`,
		Example:           `  mmmctl set-offline db3 --reason "new disks"`,
		ValidArgsFunction: a.hostArg(0),
		RunE:              a.do(func(ctx context.Context, c *ctl.Ctl, args []string) error { return c.SetOffline(ctx, args[0]) }),
	}
}

func (a *app) rejoin() *cobra.Command {
	return &cobra.Command{
		Use: "rejoin HOST", GroupID: act, Args: cobra.ExactArgs(1),
		Short: "bring a host back that holds what the writer never had",
		Long: `rejoin repairs a host that is DIVERGED: it holds what the writer never had. Unless
the cluster file says "rejoin: manual", hosts do so by themselves where it can be undone.

Its transactions from the point on where it parted are archived as SQL on the host,
in its state directory under rewound/, and undone there; then it follows again. What
cannot be undone (changes of tables, tables that do not roll back, cascades of
foreign keys, purged binlogs) is archived, and refused with the cause.

Waits until the host follows. Refused when there is nothing to repair, and for a host
that is SHORT: only a copy of another host helps it.`,
		Example:           `  mmmctl rejoin db3 --reason "test data, written by hand"`,
		ValidArgsFunction: a.hostArg(0),
		RunE:              a.do(func(ctx context.Context, c *ctl.Ctl, args []string) error { return c.Rejoin(ctx, args[0]) }),
	}
}

func (a *app) reclone() *cobra.Command {
	var r ctl.Reclone
	cmd := &cobra.Command{
		Use: "reclone HOST", GroupID: act, Args: cobra.ExactArgs(1),
		Short: "make a host a copy of another one",
		Long: `reclone is for a host that cannot be brought back otherwise: its data are lost or
broken, it lacks binlogs that are purged, or it holds what cannot be undone. With
"rejoin: reclone" in the cluster file hosts do so by themselves, unless mysqld does
not run although there are data.

A healthy replica gives the copy (mariadb-backup), the writer only with --from-writer
and when nobody else can. The host goes on as it is until the copy is whole. Then the
writer ceases to count on it, its mysqld is stopped, its data are moved aside, and
mysqld is started with the copy. What only the host held is archived first, where it
can be read. The data from before go when the host follows again, or stay where
nobody could see what only they hold; there must be room for both.

Waits until the host follows, and tells how far it is; --timeout ends the waiting,
not the order. Refused for the writer, for the only host that acknowledges, when
nobody can give a copy, and when there is not enough room.`,
		Example: `  mmmctl reclone db4
  mmmctl reclone db4 --from db3 --yes --reason "new disks"
  mmmctl reclone db4 --cancel`,
		ValidArgsFunction: a.hostArg(0),
	}
	cmd.Flags().StringVar(&r.From, "from", "", "the host that gives the copy; without it any healthy replica")
	cmd.Flags().BoolVar(&r.Writer, "from-writer", false, "the writer may give it, when nobody else can")
	cmd.Flags().BoolVar(&r.Cancel, "cancel", false, "take the order back")
	_ = cmd.RegisterFlagCompletionFunc("from", a.hostArg(0)) // fails only for a flag that is not there
	cmd.RunE = a.do(func(ctx context.Context, c *ctl.Ctl, args []string) error { return c.Reclone(ctx, args[0], r) })
	return cmd
}

func (a *app) mode() *cobra.Command {
	return &cobra.Command{
		Use: "mode [active|manual|passive]", GroupID: act, Args: cobra.MaximumNArgs(1),
		Short: "print or set how much the cluster does by itself",
		Long: `mode prints the mode in force, or sets it:

  active   everything happens by itself
  manual   reader VIPs move by themselves, the writer only by switchover
  passive  nothing moves; set-ip may place reader VIPs

In every mode a writer that loses its lease is closed: that is never a question of
mode.`,
		Example: `  mmmctl mode
  mmmctl mode manual --reason "network work until 22:00"`,
		ValidArgs: []string{"active", "manual", "passive"},
		RunE: a.do(func(ctx context.Context, c *ctl.Ctl, args []string) error {
			if len(args) == 0 {
				return c.Mode(ctx)
			}
			m, err := topology.ParseMode(args[0])
			if err != nil {
				return usagef("%v", err)
			}
			return c.SetMode(ctx, m)
		}),
	}
}

// setMode is MMM's word for mode active, manual or passive.
func (a *app) setMode(m topology.Mode) *cobra.Command {
	word := strings.ToLower(string(m))
	return &cobra.Command{
		Use: "set-" + word, GroupID: act, Args: cobra.NoArgs,
		Short:   "the same as mode " + word,
		Long:    "set-" + word + " is MMM's word for `mmmctl mode " + word + "`; `mmmctl mode --help` says what the mode means.\nIt refuses nothing.",
		Example: "  mmmctl set-" + word + ` --reason "network work"`,
		RunE:    a.do(func(ctx context.Context, c *ctl.Ctl, _ []string) error { return c.SetMode(ctx, m) }),
	}
}

func (a *app) moveRole() *cobra.Command {
	return &cobra.Command{
		Use: "move-role ROLE HOST", GroupID: act, Args: cobra.ExactArgs(2),
		Short: "MMM's word for switchover",
		Long: `move-role writer HOST is switchover --to HOST.

Refused for role reader: reader VIPs balance themselves. set-offline takes all of
them away from a host; set-ip places one in mode PASSIVE.`,
		Example:           `  mmmctl move-role writer db2`,
		ValidArgsFunction: a.hostArg(1),
		RunE: a.do(func(ctx context.Context, c *ctl.Ctl, args []string) error {
			return c.MoveRole(ctx, args[0], args[1], false)
		}),
	}
}

func (a *app) setIP() *cobra.Command {
	return &cobra.Command{
		Use: "set-ip VIP HOST", GroupID: act, Args: cobra.ExactArgs(2),
		Short: "pin a reader VIP to a host, or a router VIP to a router, in mode PASSIVE",
		Long: `set-ip pins a reader VIP to a host, or a router VIP to a router. The pin stays in force in the other modes too,
while that host is ONLINE, until unpin.

Refused in modes ACTIVE and MANUAL, for a host that is not ONLINE, and for the
writer's VIP, which is wherever the writer is.`,
		Example:           `  mmmctl set-ip 192.0.2.111 db2`,
		ValidArgsFunction: a.hostArg(1),
		RunE:              a.do(func(ctx context.Context, c *ctl.Ctl, args []string) error { return c.SetIP(ctx, args[0], args[1]) }),
	}
}

func (a *app) unpin() *cobra.Command {
	return &cobra.Command{
		Use: "unpin VIP", GroupID: act, Args: cobra.ExactArgs(1),
		Short:   "let a pinned VIP be balanced again",
		Long:    "unpin removes the pin that set-ip made. Refused for a VIP that is not pinned.",
		Example: `  mmmctl unpin 192.0.2.111`,
		RunE:    a.do(func(ctx context.Context, c *ctl.Ctl, args []string) error { return c.Unpin(ctx, args[0]) }),
	}
}
