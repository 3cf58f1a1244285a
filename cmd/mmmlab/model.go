package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/chaos/model"
)

// newModel explores the protocol; it needs no bed and no root.
func newModel() *cobra.Command {
	var o model.Options
	var list bool
	cmd := &cobra.Command{
		Use:   "model",
		Short: "Explore every state of the protocol, and each rule taken out alone",
		Long: `Walk through every state that small models of the protocol can reach, with every
fault at every moment. "all rules" must hold: no two writers, no acknowledged
write lost, always a way back to a writer that serves. "without X" must not: it
lacks one rule, and shows that the rule is needed. docs/protocol.md explains the
rules; package chaos/model says what the models leave out.

One line a case: its name, how many states there are, how far the last is from
the start, how long it took, and the verdict:

  holds         every state was seen and none is bad
  BROKEN G2     a state breaks that guarantee; --trace shows a shortest way there
  STALLS        nothing breaks, but from some states no way leads to a writer

How to read a trace: A, B and C are hosts, A and B may be writer. "A rw [t1 ? t2]"
is a writable server with t1 committed and t2 waiting for an acknowledgement;
"B <A [t1 / t2]" replicates from A and has t2 in its relay log only; "new-run" has
another mysqld than the one that the reign names; e2 is the first row of epoch 2;
OK=[t1] is what clients were told is safe.

Exit code 1: something came out otherwise than it must; the line below it says
how to see it again.`,
		Example: `  mmmlab model                              one fault: under a minute
  mmmlab model --full                       two faults: minutes, up to 5 GB
  mmmlab model --list
  mmmlab model --only R21                   what is about one rule
  mmmlab model --only "without the filter" --trace`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.BoolVar(&o.Full, "full", false, "the cases that take minutes, too")
	f.StringVar(&o.Only, "only", "", "cases whose name contains this, or that are about this rule (R21)")
	f.BoolVar(&o.Trace, "trace", false, "show a shortest way to what was found")
	f.IntVar(&o.Limit, "limit", 60_000_000, "states of one case before it is given up")
	f.IntVar(&o.Workers, "workers", 2, "cases at once")
	f.BoolVar(&list, "list", false, "say what there is, and run nothing")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o.Out, o.Replay = cmd.OutOrStdout(), "mmmlab model --only %q --trace"
		if list {
			model.List(o.Out)
			return nil
		}
		if len(o.Selected()) == 0 {
			return fmt.Errorf("--only %s: there is no such case; --list says what there is", o.Only)
		}
		if surprises := model.Run(o); len(surprises) > 0 {
			return errors.New("not as it must be: " + strings.Join(surprises, "; "))
		}
		return nil
	}
	return cmd
}
