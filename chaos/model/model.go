package model

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mmm-ha/mmm/chaos/model/aside"
	"github.com/mmm-ha/mmm/chaos/model/data"
	"github.com/mmm-ha/mmm/chaos/model/explore"
	"github.com/mmm-ha/mmm/chaos/model/lease"
)

// Cases are all cases of all models, in the order in which they are run.
func Cases() []explore.Case {
	return slices.Concat(lease.Cases(), data.Cases(), aside.Cases())
}

// Options say what to run and where to print.
type Options struct {
	Full    bool   // the cases that take minutes, too
	Only    string // cases whose name contains this, or that are about this rule ("R21"), however long they take
	Trace   bool   // print a shortest way to what was found
	Limit   int    // states of one case; beyond it the case is cut off, which is a surprise
	Workers int    // cases at once; each takes up to about 100 bytes a state
	Out     io.Writer
	Replay  string // how to see a case again: a format with the case's name
}

// Selected are the cases that o asks for.
func (o Options) Selected() []explore.Case {
	return slices.DeleteFunc(Cases(), func(c explore.Case) bool {
		if o.Only != "" {
			return !strings.Contains(c.Name, o.Only) && !slices.Contains(c.Rules, o.Only)
		}
		return c.Long && !o.Full
	})
}

// finding is what came of one case.
type finding struct {
	result explore.Result
	took   time.Duration
}

// Run runs the selected cases, prints one line for each in their order, and
// returns the names of those that surprise.
func Run(o Options) []string {
	cases := o.Selected()
	found := make([]chan finding, len(cases))
	waiting := make(chan int, len(cases))
	for i := range cases {
		found[i] = make(chan finding, 1)
		waiting <- i
	}
	close(waiting)
	var workers sync.WaitGroup
	for range max(1, o.Workers) {
		workers.Go(func() {
			for i := range waiting {
				began := time.Now()
				r := cases[i].Run(o.Limit)
				found[i] <- finding{r, time.Since(began)}
			}
		})
	}
	var surprises []string
	began := time.Now()
	for i, c := range cases {
		if o.tell(c, <-found[i]) {
			surprises = append(surprises, c.Name)
		}
	}
	workers.Wait()
	fmt.Fprintf(o.Out, "%d cases in %s, %d surprises\n", len(cases), time.Since(began).Round(time.Second), len(surprises))
	return surprises
}

// tell prints one case and reports whether it surprises.
func (o Options) tell(c explore.Case, f finding) bool {
	r := f.result
	verdict := string(r.Verdict)
	if r.Verdict == explore.Broken {
		verdict += " " + r.Why
	}
	if r.Verdict == explore.Stalls {
		verdict = fmt.Sprintf("STALLS in %d states", r.Stalls)
	}
	fmt.Fprintf(o.Out, "%-58s %10d states  depth %2d %7s  %s\n", c.Name, r.States, r.Depth, f.took.Round(10*time.Millisecond), verdict)
	surprise := c.Surprise(r)
	if surprise != "" {
		fmt.Fprintf(o.Out, "  SURPRISE: %s\n  see it again: "+o.Replay+"\n", surprise, c.Name)
	}
	if o.Trace || surprise != "" {
		for n, line := range r.Trace {
			fmt.Fprintf(o.Out, "  %3d  %s\n", n, line)
		}
	}
	return surprise != ""
}

// List prints the cases with what they are about.
func List(out io.Writer) {
	for _, c := range Cases() {
		long := ""
		if c.Long {
			long = ", takes long"
		}
		fmt.Fprintf(out, "%-58s %-12s must be %s%s\n    %s\n", c.Name, strings.Join(c.Rules, " "), c.Want, long, c.Says)
	}
}
