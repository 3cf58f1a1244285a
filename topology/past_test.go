package topology

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mmm-ha/mmm/topology/gtid"
)

// stateOf is the binlog state of a log.
func stateOf(log []string) gtid.State {
	var s gtid.State
	for _, t := range log {
		s = s.With(position(t))
	}
	return s
}

// joints are where the reigns of a log met.
func (w *world) joints(log []string) []gtid.Joint {
	var out []gtid.Joint
	for i, t := range log {
		if _, ok := w.rows[t]; ok {
			out = append(out, gtid.Joint{Before: end(log[:i]), After: position(t)})
		}
	}
	return out
}

// past is what a host reports of its history.
func (w *world) past(h *host, p Probe) Past {
	v := View{Now: w.now, ID: h.id, Cluster: h.sees(w.etcd), Probe: p, Term: h.term, Seen: h.seen}
	out := Past{State: p.State, Joints: p.Joints, Foreign: v.Foreign()}
	if h.seen.Refused.Why != "" {
		out.Repair = &Repair{Refused: h.seen.Refused.Why}
	}
	if h.copy.said != nil {
		out.Repair = h.copy.said
	}
	return out
}

// rewind takes a host back to where its log parts from the line, as the real one
// does: by what it is told of the line, and not by looking at the writer's log.
func (w *world) rewind(h *host, a Action) error {
	at := slices.IndexFunc(h.log[:h.done], func(t string) bool { return a.Line.Foreign(position(t)) || position(t).Equal(a.Position) })
	if at < 0 {
		h.halfway = false
		return nil
	}
	own := !slices.ContainsFunc(h.log[at:h.done], func(t string) bool { _, row := w.rows[t]; return !row })
	why := ""
	switch {
	case a.OnlyOwn && !own:
		why = "it holds more than the cluster's own rows"
	case h.ddl:
		why = "it cannot be undone"
	}
	if why != "" {
		h.seen.Refused = Refusal{Of: a.Of, Why: why}
		return nil
	}
	h.log = slices.Clone(h.log[:at])
	h.done, h.halfway, h.source, h.reads, h.linked, h.applies, h.broken = len(h.log), false, "", false, false, false, ""
	h.seen.Suspect = Suspicion{}
	return nil
}

// partings are what may part a host from the writer while a writer lives on.
var partings = []string{
	"errant HOST 1", "errant HOST 3", "write 1", "write 2", "write 1 reaches HOST", "apply HOST", "apply all", "apply all", "tick 1s", "tick 4s",
	"agent HOST", "halfway HOST", "set HOST slow=yes", "set HOST slow=no", "blind HOST", "sighted HOST", "rejoin HOST rewind", "settings rejoin=manual", "settings rejoin=rewind",
}

// TestEveryHostComesBackToTheWritersHistory: whoever wrote what on which replica,
// in the end all have the writer's history and nothing else, and nothing that a
// client was told to be safe is missing in it.
func TestEveryHostComesBackToTheWritersHistory(t *testing.T) {
	fewer(t)
	rapid.Check(t, func(t *rapid.T) {
		k := newWalk()
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			host := pick(t, "host", []string{"db2", "db3", "db4"})
			k.do(strings.ReplaceAll(pick(t, "befalls", partings), "HOST", host))
			k.check(t)
		}
		k.mend()
		k.do("settings rejoin=rewind")
		k.do("write 1")
		if err := k.t.w.settle(func(*host, Action, error) {}); err != nil {
			t.Fatalf("%v\n%s", err, strings.Join(k.past, "\n"))
		}
		k.do("tick 5s")
		if err := k.t.w.settle(func(*host, Action, error) {}); err != nil {
			t.Fatalf("%v\n%s", err, strings.Join(k.past, "\n"))
		}
		k.check(t)
		w := k.t.w
		writer, err := w.host(w.etcd.Writer.Value.Name)
		if err != nil {
			t.Fatalf("%v\n%s", err, strings.Join(k.past, "\n"))
		}
		for _, h := range w.hosts {
			if !slices.Equal(h.log, writer.log) {
				state, why := Classify(w.cluster(), h.name, w.now)
				t.Fatalf("%s has %v, %s has %v; it is %s: %s\n%s", h.name, h.log, writer.name, writer.log, state, why, strings.Join(k.past, "\n"))
			}
		}
		for id := range w.acked {
			if !slices.Contains(writer.log, id) {
				t.Fatalf("%s was acknowledged and is gone\n%s", id, strings.Join(k.past, "\n"))
			}
		}
	})
}
