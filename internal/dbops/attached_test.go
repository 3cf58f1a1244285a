package dbops

import (
	"testing"

	"github.com/mmm-ha/mmm/topology/gtid"
)

func TestPositionIsBelievedWhenTheSourceHasToldIt(t *testing.T) {
	at := func(text string) gtid.Set {
		s, err := gtid.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	on := func(beats uint64, received string) channel {
		return channel{source: "192.0.2.1:3309", io: "Yes", beats: beats, received: at(received)}
	}
	off, elsewhere := channel{source: "192.0.2.1:3309", io: "Connecting", beats: 9}, channel{source: "192.0.2.2:3309", io: "Yes", beats: 9, received: at("0-1-9")}
	for _, tt := range []struct {
		name string
		saw  []channel
		want bool
	}{
		{"it has just connected", []channel{on(7, "0-1-1")}, false},
		{"nothing came", []channel{on(7, "0-1-1"), on(7, "0-1-1")}, false},
		{"a heartbeat came", []channel{on(7, "0-1-1"), on(8, "0-1-1")}, true},
		{"a transaction came", []channel{on(7, "0-1-1"), on(7, "0-1-2")}, true},
		{"it was told before", []channel{on(7, "0-1-1"), on(8, "0-1-1"), on(8, "0-1-1")}, true},
		{"it has connected anew since", []channel{on(7, "0-1-1"), on(8, "0-1-1"), off, on(9, "0-1-1")}, false},
		{"another source told", []channel{on(7, "0-1-1"), on(8, "0-1-1"), elsewhere}, false},
		{"the counter began again", []channel{on(7, "0-1-1"), on(8, "0-1-1"), on(0, "0-1-1")}, false},
	} {
		var a attachment
		got := false
		for _, c := range tt.saw {
			got = a.see(c)
		}
		if got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}
