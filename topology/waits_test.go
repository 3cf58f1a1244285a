package topology

import "testing"

// TestWhoWaitsIsNotKnownOfAServerThatDoesNotAnswer: what hangs was read with a
// commit on its way. Replicas that attached anew to it could not bid meanwhile
// (R27).
func TestWhoWaitsIsNotKnownOfAServerThatDoesNotAnswer(t *testing.T) {
	v := viewOf(t, healthyWorld(), "db1")
	v.Probe.Waiting, v.Seen.Waiting = 1, v.Now.Add(-2*stuckAfter)
	if _, nudges := decides(v, Nudge); !nudges || !v.Stuck() {
		t.Fatalf("somebody waits for %s; stuck: %t, %v", 2*stuckAfter, v.Stuck(), Decide(v))
	}
	v.Probe.Missed = true
	if a, nudges := decides(v, Nudge); nudges || v.Stuck() {
		t.Errorf("after a miss: stuck: %t, %s", v.Stuck(), a)
	}
	v.Probe.Missed = false
	v.Seen.Waiting = v.Now.Add(-nudgeAfter / 2)
	if _, nudges := decides(v, Nudge); nudges || v.Stuck() {
		t.Error("a commit that has just begun to wait is stuck")
	}
}
