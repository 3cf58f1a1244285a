package main

import (
	"context"
	"fmt"
	"sort"
	"time"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/chaos/lab"
)

// fault is one verb: how it is called, what it teaches, what the holder does.
type fault struct {
	use, short, long string
	args             cobra.PositionalArgs
	restart, oneWay  bool // flags that it takes
	do               func(context.Context, *lab.Bed, order) error
}

// onHost adapts a method that only needs the host.
func onHost(f func(*lab.Bed, context.Context, string) error) func(context.Context, *lab.Bed, order) error {
	return func(ctx context.Context, b *lab.Bed, o order) error { return f(b, ctx, o.Args[0]) }
}

// onUnit adapts Freeze and Thaw: HOST [UNIT], mysqld by default.
func onUnit(f func(*lab.Bed, context.Context, string, string) error) func(context.Context, *lab.Bed, order) error {
	return func(ctx context.Context, b *lab.Bed, o order) error {
		unit := lab.UnitMySQL
		if len(o.Args) > 1 {
			unit = o.Args[1]
		}
		return f(b, ctx, o.Args[0], unit)
	}
}

// faults are all verbs that the holder carries out on the bed.
var faults = map[string]fault{
	"kill-mysqld": {
		use: "kill-mysqld HOST", short: "SIGKILL mysqld: a crash", restart: true,
		long: "Send SIGKILL to the mysqld of a host. Its agent lives and sees it.\nNobody starts mysqld again until start-mysqld, unless --restart is given.",
		do:   func(ctx context.Context, b *lab.Bed, o order) error { return b.KillMysqld(ctx, o.Args[0], o.Restart) },
	},
	"stop-mysqld": {
		use: "stop-mysqld HOST", short: "Shut mysqld down in order (SIGTERM)",
		do: onHost((*lab.Bed).StopMysqld),
	},
	"start-mysqld": {
		use: "start-mysqld HOST", short: "Start mysqld and wait until it answers",
		do: onHost((*lab.Bed).StartMysqld),
	},
	"kill-agent": {
		use: "kill-agent HOST", short: "SIGKILL the agent; mysqld lives on", restart: true,
		long: "Send SIGKILL to the agent of a host. What it guarded must close by itself,\nby the kernel's lifetimes. It stays down until start-agent, unless --restart is given.",
		do:   func(ctx context.Context, b *lab.Bed, o order) error { return b.KillAgent(ctx, o.Args[0], o.Restart) },
	},
	"stop-agent": {
		use: "stop-agent HOST", short: "Ask the agent to end (SIGTERM)",
		do: onHost((*lab.Bed).StopAgent),
	},
	"start-agent": {
		use: "start-agent HOST", short: "Start the agent",
		do: onHost((*lab.Bed).StartAgent),
	},
	"kill-etcd": {
		use: "kill-etcd HOST", short: "SIGKILL the etcd member",
		do: onHost((*lab.Bed).KillEtcd),
	},
	"start-etcd": {
		use: "start-etcd HOST", short: "Start the etcd member and wait until it is healthy",
		do: onHost((*lab.Bed).StartEtcd),
	},
	"freeze": {
		use: "freeze HOST [mysqld|agent|etcd|host]", short: "SIGSTOP: it hangs but its kernel answers", args: cobra.RangeArgs(1, 2),
		long: "Stop (SIGSTOP) one program of a host, mysqld by default, or all with \"host\".\nConnections stay open, nothing answers. A frozen agent cannot fence itself.",
		do:   onUnit((*lab.Bed).Freeze),
	},
	"thaw": {
		use: "thaw HOST [mysqld|agent|etcd|host]", short: "SIGCONT: it runs on as if nothing had been", args: cobra.RangeArgs(1, 2),
		do: onUnit((*lab.Bed).Thaw),
	},
	"kill-host": {
		use: "kill-host HOST", short: "Power cut: no farewell on the network, everything ends",
		long: "Take the host's cable out, then end everything on it at once. Its files stay;\nits addresses and its packet filter are lost, as in a reboot.",
		do:   onHost((*lab.Bed).KillHost),
	},
	"start-host": {
		use: "start-host HOST", short: "Give a killed host its power back",
		do: onHost((*lab.Bed).StartHost),
	},
	"unplug": {
		use: "unplug HOST", short: "Take the host's network cable out",
		do: func(_ context.Context, b *lab.Bed, o order) error { return b.Unplug(o.Args[0]) },
	},
	"plug": {
		use: "plug HOST", short: "Put the host's network cable back",
		do: func(_ context.Context, b *lab.Bed, o order) error { return b.Plug(o.Args[0]) },
	},
	"cut": {
		use: "cut A B|all", short: "The switch drops what A and B send to each other", args: cobra.ExactArgs(2), oneWay: true,
		long: "Make the switch drop every frame between A and B, or between A and all others.\nWith --one-way only what A sends to B is lost; ARP passes, so that B can go on sending.",
		do: func(ctx context.Context, b *lab.Bed, o order) error {
			way := lab.BothWays
			if o.OneWay {
				way = lab.OneWay
			}
			return b.Cut(ctx, o.Args[0], o.Args[1], way)
		},
	},
	"heal": {
		use: "heal [A B|all]", short: "End the cuts between A and B, or all cuts",
		args: cobra.MatchAll(cobra.MaximumNArgs(2), func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				return fmt.Errorf("heal %s with whom? name a second host, or all", args[0])
			}
			return nil
		}),
		do: func(ctx context.Context, b *lab.Bed, o order) error {
			if len(o.Args) == 0 {
				return b.Heal(ctx, "", "")
			}
			return b.Heal(ctx, o.Args[0], o.Args[1])
		},
	},
}

// faultCommands are the verbs as commands: each passes its order to the holder.
func faultCommands() []*cobra.Command {
	var names []string
	for name := range faults {
		names = append(names, name)
	}
	sort.Strings(names)
	var commands []*cobra.Command
	for _, name := range names {
		commands = append(commands, newFault(name, faults[name]))
	}
	return commands
}

func newFault(name string, f fault) *cobra.Command {
	o := order{Verb: name}
	cmd := &cobra.Command{Use: f.use, Short: f.short, Long: f.long, Args: f.args}
	if cmd.Args == nil {
		cmd.Args = cobra.ExactArgs(1)
	}
	cmd.Long += "\n\nThe command ends when the effect was seen; if it was not, that is an error."
	if f.long == "" {
		cmd.Long = f.short + "." + cmd.Long
	}
	if f.restart {
		cmd.Flags().BoolVar(&o.Restart, "restart", false, "let the host start it again at once")
	}
	if f.oneWay {
		cmd.Flags().BoolVar(&o.OneWay, "one-way", false, "drop only what the first host sends to the second")
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		work, err := workDir(cmd)
		if err != nil {
			return err
		}
		o.Args = args
		began := time.Now()
		if _, err := ask(cmd.Context(), work, o, nil); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s: done and seen, %.1fs\n", cmd.CommandPath()+" "+joinArgs(args), time.Since(began).Seconds())
		return nil
	}
	return cmd
}
