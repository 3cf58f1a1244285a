package dbops_test

import (
	"testing"

	"github.com/mmm-ha/mmm/topology"
)

// A writer that is alone releases whoever waits, and later waits again; who has
// the position that it then names has all that was committed alone.
func TestWriterWaitsForNobodyAndThenAgain(t *testing.T) {
	w := writer(t)
	must(t, w.ops.BecomeSource(patiently(t)))
	waits := w.insert(t, 1)
	w.eventually(t, "it waits", func(p topology.Probe) bool { return p.Waiting == 1 })
	hangs(t, waits)
	must(t, w.ops.WaitForNobody(patiently(t)))
	must(t, ended(t, waits))
	must(t, ended(t, w.insert(t, 2)))
	if p := w.observe(t); p.SemiSource || p.Waiting > 0 {
		t.Fatalf("it waits still: %+v", p)
	}
	r := replica(t, w)
	guard, err := w.ops.WaitAgain(patiently(t))
	must(t, err)
	if p := w.observe(t); !p.SemiSource || !p.Position.Equal(guard) {
		t.Fatalf("guard %s, %+v", guard, p)
	}
	r.eventually(t, "it has all", func(p topology.Probe) bool { return p.Received.Contains(guard) })
	must(t, ended(t, w.insert(t, 3)))
	r.Kill()
	hangs(t, w.insert(t, 4))
}
