package dbops

import (
	"testing"

	"github.com/mmm-ha/mmm/internal/process"
	"github.com/mmm-ha/mmm/topology"
)

// TestRunBeforeABootIsWholeOnlyIfItsDiskWas: with the power went what a run had
// acknowledged and the disk did not have yet (R14, R31).
func TestRunBeforeABootIsWholeOnlyIfItsDiskWas(t *testing.T) {
	const before = topology.Incarnation("00000000-0000-0000-0000-000000000000/1234/5")
	now, err := process.Of(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		run     topology.Incarnation
		durable bool
		want    bool
	}{
		{"this boot, lazy disk", now, false, true},
		{"this boot, durable", now, true, true},
		{"earlier boot, lazy disk", before, false, false},
		{"earlier boot, durable", before, true, true},
		{"no run at all", "odd", true, false},
	} {
		if got := (runMark{Run: tt.run, Durable: tt.durable}).survived(); got != tt.want {
			t.Errorf("%s: survived %t, want %t", tt.name, got, tt.want)
		}
	}
}
