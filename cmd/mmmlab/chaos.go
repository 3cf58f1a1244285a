package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/chaos/check"
	"github.com/mmm-ha/mmm/chaos/history"
	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/chaos/outcome"
	"github.com/mmm-ha/mmm/chaos/storm"
	"github.com/mmm-ha/mmm/internal/version"
)

// exitInvalid says that the run proves nothing; exitViolated that it proved a
// violation.
const (
	exitInvalid  = 2
	exitViolated = 3
)

// chaosSettings travel to the holder.
type chaosSettings struct {
	Seed    uint64   `json:"seed"`
	Minutes float64  `json:"minutes"`
	Strikes int      `json:"strikes"`
	Faults  []string `json:"faults,omitempty"`
	Singles bool     `json:"singles,omitempty"`
	Routers bool     `json:"routers,omitempty"`
	Profile string   `json:"profile"`
	Out     string   `json:"out"`
	Replay  string   `json:"replay"`
}

var (
	chaosTale       = tale{bed: stormBed, tell: tellChaos}
	chaosRoutedTale = tale{bed: func(o *lab.Options) { stormBed(o); *o = storm.WithRouters(*o) }, tell: tellChaos}
)

// stormBed makes a bed one for a storm.
func stormBed(o *lab.Options) {
	special := storm.BedOptions(o.Profile)
	special.Work, special.BinDir, special.Parts, special.Keep = o.Work, o.BinDir, o.Parts, o.Keep
	*o = special
}

func tellChaos(ctx context.Context, bed *lab.Bed, arguments string, say func(string)) error {
	var set chaosSettings
	if err := json.Unmarshal([]byte(arguments), &set); err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	return storm.Run(ctx, storm.Options{
		Bed: bed, Seed: set.Seed, Length: time.Duration(set.Minutes * float64(time.Minute)), Strikes: set.Strikes, Classes: set.Faults,
		Singles: set.Singles, Profile: set.Profile, Out: set.Out, Commit: version.String(), Replay: set.Replay, Say: say,
	})
}

// replay is the command line that repeats a run.
func (c chaosSettings) replay() string {
	line := fmt.Sprintf("mmmlab chaos --seed %d --minutes %g --profile %s", c.Seed, c.Minutes, c.Profile)
	if c.Strikes > 0 {
		line += fmt.Sprintf(" --strikes %d", c.Strikes)
	}
	if len(c.Faults) > 0 {
		line += " --faults " + strings.Join(c.Faults, ",")
	}
	if c.Singles {
		line += " --singles"
	}
	if c.Routers {
		line += " --routers"
	}
	return line
}

func newChaos() *cobra.Command {
	o := lab.Options{Parts: lab.All}
	set := chaosSettings{}
	var plan, again bool
	var record string
	cmd := &cobra.Command{
		Use:   "chaos",
		Short: "Strike a cluster with seeded faults while everything is watched, and judge what was seen",
		Long: `Make a bed and strike it with faults, one or two at a time, drawn from a seed.
Clients write and read through the VIPs all the time; direct probes, the kernel's
own messages about addresses, ARP, etcd and in the end all binlogs and tables are
written down, on one clock, and checked.

The result is a page with one picture (report.html), the histories and the logs in
the folder --out. With --routers two routers stand in front, more clients go through
their VIP, and routers are struck, too. Exit code 0: nothing was violated. 2: INVALID, the run proves
nothing (a fault did not bite, the traffic was thin). 3: something was violated.

The faults:
` + faultList(),
		Example: `  mmmlab chaos --seed 7 --minutes 3
  mmmlab chaos --seed 7 --faults kill,host-freeze --singles
  mmmlab chaos --seed 7 --plan           # print the plan, do nothing
  mmmlab chaos --out DIR --again         # judge the history in DIR anew`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&o.BinDir, "bin", ownDir(), "directory of mmmagent and mmmctl")
	f.Uint64Var(&set.Seed, "seed", 0, "seed of the plan; 0: a new one")
	f.Float64Var(&set.Minutes, "minutes", 3, "time in which faults begin")
	f.IntVar(&set.Strikes, "strikes", 0, "end after so many strikes; 0: when the time is over")
	f.StringSliceVar(&set.Faults, "faults", nil, "faults to choose from; empty: all")
	f.BoolVar(&set.Singles, "singles", false, "never two faults at once")
	f.BoolVar(&set.Routers, "routers", false, "two routers in front, clients through their VIP, and faults of routers")
	f.StringVar(&set.Profile, "profile", "fast", "timing profile: fast (lease 1 s) or lan (2 s)")
	f.StringVar(&set.Out, "out", "", "folder of the result; empty: mmm-chaos-SEED in the folder for temporary files")
	f.StringVar(&record, "record", "", "add the result as a line to this file (docs/reliability/chaos.jsonl)")
	f.BoolVar(&plan, "plan", false, "only print the first strikes of the plan")
	f.BoolVar(&again, "again", false, "judge the history in --out anew, run nothing")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		say := func(line string) { fmt.Fprintln(cmd.OutOrStdout(), line) }
		if set.Seed == 0 && !again {
			set.Seed = rand.Uint64N(1e9)
		}
		if plan {
			return printPlan(set, say)
		}
		if err := set.prepare(again); err != nil {
			return err
		}
		if !again {
			if err := runChaos(cmd, o, set, say); err != nil {
				return err
			}
		}
		return judge(set.Out, record, say)
	}
	return cmd
}

func faultList() string {
	var s strings.Builder
	for _, c := range storm.Classes() {
		fmt.Fprintf(&s, "  %-14s %s\n", c.Name, c.Says)
	}
	s.WriteString("\nWith --routers also:\n")
	for _, c := range storm.RouterClasses() {
		fmt.Fprintf(&s, "  %-19s %s\n", c.Name, c.Says)
	}
	return s.String()
}

func printPlan(set chaosSettings, say func(string)) error {
	lines, err := storm.Plan(set.Seed, set.Faults, set.Singles, set.Routers, max(set.Strikes, 20))
	for i, line := range lines {
		say(fmt.Sprintf("%3d. %s", i+1, line))
	}
	return err
}

// prepare fills in what was not said and makes an empty folder for the result.
func (c *chaosSettings) prepare(again bool) error {
	var err error
	if c.Out == "" {
		c.Out = filepath.Join(os.TempDir(), fmt.Sprintf("mmm-chaos-%d", c.Seed))
	}
	if c.Out, err = filepath.Abs(c.Out); err != nil {
		return fmt.Errorf("find folder of the result: %w", err)
	}
	c.Replay = c.replay()
	if again {
		return nil
	}
	if err := os.RemoveAll(filepath.Join(c.Out, storm.HistoryDir)); err != nil {
		return fmt.Errorf("empty folder of the result: %w", err)
	}
	if err := os.MkdirAll(c.Out, 0o755); err != nil {
		return fmt.Errorf("make folder of the result: %w", err)
	}
	return nil
}

func runChaos(cmd *cobra.Command, o lab.Options, set chaosSettings, say func(string)) error {
	var err error
	if o.Work, err = workDir(cmd); err != nil {
		return err
	}
	if o.BinDir, err = filepath.Abs(o.BinDir); err != nil {
		return fmt.Errorf("find binaries: %w", err)
	}
	o.Profile = set.Profile
	say(fmt.Sprintf("seed %d, %g minutes; the result goes to %s", set.Seed, set.Minutes, set.Out))
	verb := "chaos"
	if set.Routers {
		verb = "chaos-routers"
	}
	return perform(cmd.Context(), performance{verb, o, false, say}, set)
}

// judge checks the history of a folder, writes the page and ends the program
// with the code that belongs to the result.
func judge(dir, record string, say func(string)) error {
	h, err := history.Load(filepath.Join(dir, storm.HistoryDir))
	if err != nil {
		return err
	}
	verdicts := check.All(h)
	r := outcome.Of(h, verdicts)
	text, err := outcome.Page(h, verdicts, r)
	if err != nil {
		return err
	}
	page := filepath.Join(dir, "report.html")
	if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	say(r.String() + "  page: " + page)
	if record != "" {
		if err := r.Append(record); err != nil {
			return err
		}
	}
	switch r.Word() {
	case "VIOLATED":
		return exitError{exitViolated, errors.New("the run violated what is promised")}
	case "INVALID":
		return exitError{exitInvalid, errors.New("the run proves nothing")}
	}
	return nil
}

// exitError is an error with the exit code that belongs to it.
type exitError struct {
	code int
	error
}
