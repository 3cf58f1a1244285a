package topology

import "testing"

// TestOnlyTheRunThatTheReignRestsOnIsReplayed: what was kept of any other run is
// of another history, or of none (R31).
func TestOnlyTheRunThatTheReignRestsOnIsReplayed(t *testing.T) {
	w, v := inElection(t, "db2")
	acked := w.etcd.Reign.Value.Ackers["id-db2"]
	v.Probe.Incarnation = "db2#9"
	for run, want := range map[Incarnation]bool{acked: true, "db2#5": false, "db2#9": false, "": false} {
		v.Probe.Kept = []Kept{{Run: run, Beyond: position("0-1-105")}}
		if k := v.keptRun(); (k != nil) != want {
			t.Errorf("kept of run %q, counted on as %q: %+v", run, acked, k)
		}
	}
	v.Probe.Incarnation, v.Probe.Kept = acked, []Kept{{Run: acked, Beyond: position("0-1-105")}}
	if k := v.keptRun(); k != nil {
		t.Errorf("the run goes on, and something is kept of it: %+v", k)
	}
}
