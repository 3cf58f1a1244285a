package step

import (
	"reflect"
	"slices"
	"time"

	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// slowFacts is how often positions and lag are written when nothing else changes.
const slowFacts = time.Second

// Report is what this host says of itself now. fence is the kind of its port
// fence; stuck says that somebody waits although it has nudged (R27). The caller
// adds the lease. It has no name, and is not to be written, before the first
// reading of etcd.
func (s *State) Report(fence string, stuck bool) topology.Report {
	h, _ := s.Cluster.Spec.Value.Host(s.Self)
	p := s.Probe
	r := topology.Report{
		Name: s.Self, Address: h.Address, Fence: fence, Version: p.Version, ServerID: p.ServerID,
		Incarnation: p.Incarnation, MySQL: topology.Health{Up: p.Up, Why: p.Why}, ReadOnly: p.ReadOnly,
		Replication: p.Replication, Position: p.Position, Received: p.Received, EpochRow: s.ownEpoch(p),
		Lag: s.checks.lag, Checks: slices.Clone(s.checks.checks), Stuck: stuck,
		Past: s.past, Asked: s.Seen.Asked, Disk: p.Disk, Space: p.Space, NoTools: p.NoTools, Says: p.Says,
	}
	v := s.View(Reading{})
	r.Awaits = v.Awaits()
	if w := s.Cluster.Hosts[s.Cluster.Writer.Value.ID].Value.Awaits; !w.Empty() && p.Received.Contains(w) {
		r.Reached = w // another fact than before, so that it is told at once, with the position
	}
	if s.Seen.Distrust.Present() {
		r.Halt = &s.Seen.Distrust
	}
	switch {
	case p.Disk.Bad:
		r.Unable = p.Disk.Why()
	case len(p.Problems) > 0:
		r.Unable = p.Problems[0]
	}
	if s.Cluster.Rev == 0 {
		r.Name = "" // nothing was checked yet: a restarted agent must not take back what the last one said
	}
	return r
}

// Heartbeat knows what was last reported. The zero value has reported nothing.
type Heartbeat struct {
	sent topology.Report
	at   time.Time
}

// Due says whether a report must be written: at once when a fact changed that
// decides something, at most once a second for positions and lag. Without a
// lease nothing is said.
func (h *Heartbeat) Due(r topology.Report, now time.Time) bool {
	if r.Lease == 0 || r.Name == "" {
		return false
	}
	if r.Lease != h.sent.Lease || !SameFacts(r, h.sent) {
		return true
	}
	return now.Sub(h.at) >= slowFacts && !reflect.DeepEqual(r, h.sent)
}

// Wrote notes that a report was written. now is the time when it was due.
func (h *Heartbeat) Wrote(r topology.Report, now time.Time) { h.sent, h.at = r, now }

// SameFacts compares what two reports say that decides something, leaving out
// what merely moves on.
func SameFacts(a, b topology.Report) bool {
	a.State, b.State = gtid.State{}, gtid.State{}
	a.Position, b.Position = gtid.Set{}, gtid.Set{}
	a.Received, b.Received = gtid.Set{}, gtid.Set{}
	a.Lag, b.Lag = nil, nil
	a.Space, b.Space = topology.Space{}, topology.Space{}
	a.Repair, b.Repair = withoutProgress(a.Repair), withoutProgress(b.Repair)
	a.Checks, b.Checks = verdicts(a.Checks), verdicts(b.Checks)
	a.Says, b.Says = withoutCount(a.Says), withoutCount(b.Says)
	return reflect.DeepEqual(a, b)
}

func withoutProgress(r *topology.Repair) *topology.Repair {
	if r == nil {
		return nil
	}
	out := *r
	out.Bytes, out.Total = 0, 0
	return &out
}

func withoutCount(w *topology.RouterWord) *topology.RouterWord {
	if w == nil {
		return nil
	}
	out := *w
	out.Sessions = 0
	return &out
}

func verdicts(in []topology.Check) []topology.Check {
	out := slices.Clone(in)
	for i := range out {
		if out[i].OK {
			out[i].Message = "" // a good lag reads differently each second
		}
	}
	return out
}
