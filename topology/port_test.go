package topology

import "testing"

// TestReadersWaitUntilNobodyWaitsForAnAcknowledgement: a session of a deposed
// writer would hear OK through a port that is open again (R9, R12).
func TestReadersWaitUntilNobodyWaitsForAnAcknowledgement(t *testing.T) {
	v := viewOf(t, healthyWorld(), "db2")
	v.Port = PortClosed
	if _, ok := decides(v, OpenReaders); !ok {
		t.Fatalf("the port of a replica stays closed: %v", Decide(v))
	}
	v.Probe.Waiting = 1
	if a, ok := decides(v, OpenReaders); ok {
		t.Errorf("%s by %s", a, a.Rule)
	}
}
