package agent

import (
	"log/slog"
	"maps"
	"net/netip"
	"sync"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// told remembers what was last said, so that the log has one line for each
// change of a decision and none for each turn of the loop.
type told struct {
	decided map[string]time.Time // when it was last decided
	waiting string
}

// toldAgain is how long a decision must have been gone before it counts as new.
const toldAgain = time.Second

// tell logs what is decided now and was not a moment ago, with the reason; and,
// while there is no writer, what the election waits for.
func (a *Agent) tell(v topology.View, actions []topology.Action) {
	if a.told.decided == nil {
		a.told.decided = map[string]time.Time{}
	}
	maps.DeleteFunc(a.told.decided, func(_ string, at time.Time) bool { return v.Now.Sub(at) > toldAgain })
	for _, act := range actions {
		key := act.Rule + "/" + act.Unit()
		_, known := a.told.decided[key]
		a.told.decided[key] = v.Now
		if !known {
			a.log.Info("decided", "action", act.String(), "rule", act.Rule, "why", act.Why, "term", v.Term.Epoch)
		}
	}
	a.tellWaiting(v)
}

func (a *Agent) tellWaiting(v topology.View) {
	waiting := ""
	if !v.Cluster.Writer.Present() && v.Cluster.Rev > 0 {
		for _, verdict := range topology.Explain(v) {
			if verdict.Rule == "await-election" && verdict.Holds {
				waiting = verdict.Why
			}
		}
	}
	if waiting != "" && waiting != a.told.waiting {
		a.log.Info("waits for the election", "why", waiting)
	}
	a.told.waiting = waiting
}

// foreignPause is how often the same stranger is reported.
const foreignPause = 10 * time.Second

// foreign reports who answers for an address that is ours, without flooding.
type foreign struct {
	log *slog.Logger
	mu  sync.Mutex
	at  map[netip.Addr]time.Time
}

func (f *foreign) report(vip netip.Addr, mac string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at == nil {
		f.at = map[netip.Addr]time.Time{}
	}
	if time.Since(f.at[vip]) < foreignPause {
		return
	}
	f.at[vip] = time.Now()
	f.log.Error("somebody else answers for a VIP of ours: find that machine and take the address off it", "vip", vip, "mac", mac)
}
