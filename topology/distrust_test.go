package topology

import (
	"slices"
	"testing"
)

// TestEpochThatTheDatabaseToldBeforeTheWatchClosesNoReaders: the row of a new
// reign may come by replication while the watch is interrupted. That is no proof
// that etcd went back (R17); a look at etcd itself is.
func TestEpochThatTheDatabaseToldBeforeTheWatchClosesNoReaders(t *testing.T) {
	w := healthyWorld()
	v := w.view(w.hosts[1], w.cluster())
	v.VIPs = sortedAddrs(v.Cluster.Spec.Value.Roles.Reader.VIPs)[:1]
	v.Seen.Epoch = v.Cluster.Rev + 50
	for _, a := range Decide(v) {
		if a.Kind != LoseTrust {
			t.Errorf("%s: %s", a.Rule, a)
		}
	}
	v.Seen.Distrust = Distrust{Why: "etcd went back", Seen: v.Seen.Epoch, At: v.Cluster.Rev}
	if !slices.ContainsFunc(Decide(v), func(a Action) bool { return a.Kind == Demote }) {
		t.Error("etcd went back, and the host still serves")
	}
	v.Seen.Distrust, v.Probe.ReadOnly = Distrust{}, false
	if !slices.ContainsFunc(Decide(v), func(a Action) bool { return a.Kind == Demote }) {
		t.Error("a writable server waits for a second look")
	}
}
