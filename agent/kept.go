package agent

import (
	"context"
	"slices"
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// keepRetry is how long a run that could not be marked, or whose kept log files
// could not be read, rests before the next try.
const keepRetry = time.Second

// keep marks the log files of each new run of mysqld, so that prestart knows what
// it copies, and reads what is left of a run that the last reign rests on. Both
// read files and may take a while, so that no look at mysqld waits for them.
func (a *Agent) keep(ctx context.Context) error {
	var marked topology.Incarnation
	var last, now step.Want
	retry := time.NewTicker(keepRetry)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case now = <-a.wants:
		case <-retry.C:
		}
		if now.Run == "" {
			continue
		}
		if now.Run != marked {
			if err := a.server.MarkRun(ctx, a.opt.MySQL.Datadir); err != nil {
				a.log.Debug("cannot mark the log files of mysqld; trying on", "err", err)
			} else {
				marked = now.Run
			}
		}
		if now != last && now.Ended != "" && a.readKept(now) {
			last = now
		}
	}
}

// readKept reads what is left of a run and hands it to the probe.
func (a *Agent) readKept(w step.Want) bool {
	position, err := gtid.Parse(w.Position)
	var runs []topology.Kept
	if err == nil {
		runs, err = dbops.KeptRuns(a.opt.MySQL.Datadir, position)
	}
	if err != nil {
		a.log.Warn("cannot read what was kept of an earlier run of mysqld", "err", err)
	}
	runs = slices.DeleteFunc(runs, func(k topology.Kept) bool { return k.Run != w.Ended })
	a.prober.keeps(w, runs)
	return err == nil
}

// ask tells keep what the loop needs to know, when that changed.
func (a *Agent) ask(v topology.View) {
	if w, ok := step.WantOf(v); ok && w != a.asked {
		a.asked = w
		latest(a.wants, w)
	}
}
