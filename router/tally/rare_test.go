package tally

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhatHappensOftenIsSaidAtOnceAndThenOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Rare
		said := ""
		for range 150 { // seconds, ten times in each
			for range 10 {
				if unsaid, due := r.Due("a"); due {
					said += fmt.Sprint(unsaid, " ")
				}
			}
			time.Sleep(time.Second)
		}
		if said != "0 599 599 " {
			t.Errorf("said with %s", said)
		}
		if _, due := r.Due("b"); !due {
			t.Error("something else is not said at once")
		}
	})
}

func TestKindsOfWhatHappensAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Rare
		said := 0
		for i := range 10 * rareKinds {
			if _, due := r.Due(fmt.Sprint("user ", i)); due {
				said++
			}
		}
		if said != rareKinds+1 || len(r.kinds) > rareKinds+1 {
			t.Errorf("%d said of %d kinds", said, len(r.kinds))
		}
		time.Sleep(rareEvery)
		if _, due := r.Due("later"); !due || len(r.kinds) > 2 {
			t.Errorf("what is long ago fills the room: %d kinds", len(r.kinds))
		}
	})
}
