package topology

import (
	"strings"
	"testing"
)

func TestOwnWritesAreKnownAtOnceAndAlsoWithoutAWriter(t *testing.T) {
	stray := "0-1-100,0-3-101"
	for _, x := range []struct {
		name, state string
		change      func(w *world, h *host, v *View)
		want        string
	}{
		{"wrote nothing", "0-1-101", func(*world, *host, *View) {}, ""},
		{"wrote a moment ago", stray, func(*world, *host, *View) {}, "0-3-101"},
		{"wrote, and the writer is gone", stray, func(_ *world, _ *host, v *View) { v.Cluster.Writer = Entry[Writer]{} }, "0-3-101"},
		{"is the last writer", stray, func(_ *world, h *host, v *View) { v.Cluster.Reign.Value.ID = h.id }, ""},
		{"is the next writer", stray, func(_ *world, h *host, v *View) { v.Cluster.Writer.Value.ID = h.id }, ""},
		{"reigns by itself", stray, func(_ *world, _ *host, v *View) { v.Term.Epoch = 7 }, ""},
		{"was a source a moment ago", stray, func(_ *world, _ *host, v *View) { v.Probe.SemiSource = true }, ""},
		{"has a row that waits, which nobody sees in the table", stray, func(_ *world, _ *host, v *View) { v.Probe.Waiting = 1 }, ""},
		{"is suspected of it already", stray, func(w *world, _ *host, v *View) {
			v.Seen.Suspect = Suspicion{GTIDs: []string{"0-3-101"}, Epoch: 100, Since: w.now.Add(-suspectFor)}
		}, "0-3-101"},
		{"has no reign to measure by", stray, func(_ *world, _ *host, v *View) { v.Cluster.Reign = Entry[Reign]{} }, ""},
	} {
		w := healthyWorld()
		h := w.hosts[2]
		v := w.view(h, w.cluster())
		v.Probe.State = binlogState(x.state)
		x.change(w, h, &v)
		if got := strings.Join(v.Foreign(), " "); got != x.want {
			t.Errorf("who %s holds %q, want %q", x.name, got, x.want)
		}
		if why := Strayed(v.Cluster, h.id, v.Probe); v.Term.Epoch == 0 && (why != "") != (x.want != "") {
			t.Errorf("who %s bids with %q", x.name, why)
		}
	}
}
