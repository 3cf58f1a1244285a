package topology

import (
	"testing"

	"github.com/mmm-ha/mmm/topology/gtid"
)

// TestHostOffTheLineOfTheReignIsNotLetIn: the winner who wrote his epoch row and
// never opened has numbers far above the next reign's first ones and nothing of
// it. In the acker set he would be heard as the one who holds most (R22, R32).
func TestHostOffTheLineOfTheReignIsNotLetIn(t *testing.T) {
	at := func(text string) gtid.Set {
		set, err := gtid.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	start := at("0-2-1000007")
	c := Cluster{Reign: Entry[Reign]{Value: Reign{Epoch: 9, Start: start}, Rev: 9}}
	for _, x := range []struct {
		name     string
		row      Rev
		received string
		off      bool
	}{
		{"far behind", 5, "0-1-7", false},
		{"an abandoned reign, above by number", 5, "0-1-1000009", true},
		{"an abandoned reign, the very number", 5, "0-1-1000007", true},
		{"of this reign", 9, "0-2-1000009", false},
		{"empty", 0, "", false},
	} {
		if got := offLine(c, Report{EpochRow: x.row, Received: at(x.received)}); got != x.off {
			t.Errorf("%s: off the line %t", x.name, got)
		}
	}
}
