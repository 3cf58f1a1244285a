package topology

import "fmt"

// tailRules take in what a crash cut off, while there is no writer (R31).
var tailRules = []Rule{
	{
		Name: "replay-relay",
		Doc:  "mysqld of an acker was restarted and threw its relay log away; what was kept of it is taken in, and the host is proof again (R31).",
		When: func(v *View) (string, bool) {
			k := v.keptRun()
			if k == nil || !v.mayBid() || !v.Probe.Up || !v.Probe.ReadOnly || v.Cluster.Reign.Value.ID == v.ID {
				return "", false
			}
			return fmt.Sprintf("its last run had received up to %s, it has %s", k.Beyond, v.Probe.Received), v.lacksKept()
		},
		Then: (*View).replay,
	},
	{
		Name: "replay-tail", Last: true,
		Doc: "Nobody but the last writer can prove anything, and its crash cut its binlog: what was kept of it is taken in before anybody campaigns (R31).",
		When: func(v *View) (string, bool) {
			p, _ := v.race()
			return p.Why, p.OK && p.Replay == v.ID && v.Probe.Up && v.Probe.ReadOnly && v.bidStands() && v.lacksKept()
		},
		Then: (*View).replay,
	},
}

func (v *View) replay() []Action {
	k := v.keptRun()
	return one(Action{Kind: Replay, Epoch: v.Cluster.LastEpoch(), Position: k.Beyond, Kept: k})
}

// keptRun is what this host has of its run that the last reign rests on, as the
// writer of it or as an acker; nil when it needs none or has none.
func (v *View) keptRun() *Kept {
	run := v.EndedRun()
	for _, k := range v.Probe.Kept {
		if run != "" && k.Run == run {
			return &k
		}
	}
	return nil
}

// EndedRun is the run of this host's mysqld that the last reign rests on, when
// it has ended and another one runs; else empty. Only of that run does anybody
// need to know what was kept.
func (v *View) EndedRun() Incarnation {
	r := v.Cluster.Reign.Value
	run := r.Ackers[v.ID]
	if r.ID == v.ID {
		run = r.Incarnation
	}
	if run == v.Probe.Incarnation {
		return ""
	}
	return run
}

// lacksKept reports whether there is something to replay.
func (v *View) lacksKept() bool {
	k := v.keptRun()
	return k != nil && !k.Beyond.Empty()
}

func sameKept(a, b *Kept) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Run == b.Run && a.Beyond.Equal(b.Beyond)
}
