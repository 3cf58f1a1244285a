package main

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/chaos/sim"
)

// simSettings are the flags of `mmmlab sim`.
type simSettings struct {
	seeds, workers int
	from, seed     uint64
	minutes        float64
	skip           []int
	story, shrink  bool
	calm           bool
	file           string
}

// newSim is `mmmlab sim`.
func newSim() *cobra.Command {
	var set simSettings
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Simulate whole clusters under faults, a seed each, and check every rule",
		Long: `Let clusters of four hosts live through faults in virtual time: the real decisions
and the real steps of the agent, with models of etcd, mysqld, kernel and network.
A seed replays exactly. A violation is an error, with the command that replays it;
--shrink leaves out the faults that it does not need.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return set.run(cmd) },
	}
	f := cmd.Flags()
	f.IntVar(&set.seeds, "seeds", 100, "how many seeds")
	f.Uint64Var(&set.from, "from", 1, "the first seed")
	f.Uint64Var(&set.seed, "seed", 0, "run this one seed")
	f.Float64Var(&set.minutes, "minutes", 5, "simulated minutes of each")
	f.BoolVar(&set.calm, "calm", false, "minutes of rest between faults instead of seconds")
	f.BoolVar(&set.story, "story", false, "tell what happens in the one seed")
	f.BoolVar(&set.shrink, "shrink", false, "leave out what the violation of the one seed does not need")
	f.IntSliceVar(&set.skip, "skip", nil, "faults to leave out, by number")
	f.IntVar(&set.workers, "workers", runtime.GOMAXPROCS(0), "simulations side by side")
	f.StringVar(&set.file, "json", "", "append the summary to this file")
	return cmd
}

func (set simSettings) run(cmd *cobra.Command) error {
	debug.SetGCPercent(1600) // short lives, much garbage
	o := sim.Options{Length: time.Duration(set.minutes * float64(time.Minute)), Calm: set.calm, Skip: map[int]bool{}}
	for _, n := range set.skip {
		o.Skip[n] = true
	}
	if set.seed != 0 {
		return set.one(cmd, o)
	}
	s := sim.Sweep(cmd.Context(), set.from, set.seeds, set.workers, o, func(out sim.Outcome) {
		if out.Broken != "" {
			cmd.Printf("seed %d broke a rule at %.3f s: %s\n", out.Seed, out.At.Seconds(), out.Broken)
		}
		if out.Stalled != "" {
			cmd.Printf("seed %d ended waiting, nothing is lost: %s\n", out.Seed, out.Stalled)
		}
	})
	s.Commit = commit(cmd)
	cmd.Print(s.Text())
	if set.file != "" {
		if err := s.Append(set.file); err != nil {
			return err
		}
	}
	if n := len(s.Violations); n > 0 {
		return fmt.Errorf("%d of %d seeds broke a rule; mmmlab sim --seed %d --shrink tells the first", n, set.seeds, s.Violations[0].Seed)
	}
	return nil
}

// one runs a single seed and tells of it.
func (set simSettings) one(cmd *cobra.Command, o sim.Options) error {
	o.Story = set.story
	out := sim.Run(set.seed, o)
	if set.shrink && out.Broken != "" {
		out = sim.Shrink(set.seed, o)
	}
	if out.Broken == "" {
		for _, line := range out.Story {
			cmd.Println(line)
		}
		cmd.Printf("seed %d: nothing is broken in %s: %d faults, %d reigns, %d writes acknowledged %s\n", out.Seed, out.Simulated.Round(time.Second), len(out.Faults), out.Reigns, out.Acked, out.Stalled)
		return nil
	}
	cmd.Print(out.Text())
	return errors.New("a rule was broken")
}

// commit names what was simulated.
func commit(cmd *cobra.Command) string {
	out, err := exec.CommandContext(cmd.Context(), "git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
