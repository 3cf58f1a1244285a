package election

import (
	"testing"

	"github.com/mmm-ha/mmm/topology"
)

// R17: distrust survives the process, and a higher epoch does not wash it away.
func TestDistrustIsKept(t *testing.T) {
	dir := t.TempDir()
	h, err := LoadHighest(dir)
	if err != nil {
		t.Fatal(err)
	}
	d := topology.Distrust{Why: "went back", Seen: 100, At: 60, Reign: topology.Entry[topology.Reign]{Rev: 99, Value: topology.Reign{Epoch: 90}}}
	for _, err := range []error{h.Save("c-1", 100), h.Distrust("c-1", d), h.Save("c-1", 120)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	next, err := LoadHighest(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := next.Distrusted("c-1"); got.Seen != 100 || got.At != 60 || got.Reign.Value.Epoch != 90 || next.Epoch("c-1") != 120 || next.Distrusted("c-2").Present() {
		t.Errorf("%+v, epoch %d", got, next.Epoch("c-1"))
	}
	if err := next.Distrust("c-1", topology.Distrust{}); err != nil {
		t.Fatal(err)
	}
	if last, err := LoadHighest(dir); err != nil || last.Distrusted("c-1").Present() || last.Epoch("c-1") != 120 {
		t.Errorf("%v", err)
	}
	if err := next.Distrust("", d); err == nil {
		t.Error("it was kept for no cluster")
	}
}
