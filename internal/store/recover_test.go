package store

import (
	"errors"
	"testing"

	"github.com/mmm-ha/mmm/topology"
)

// R17: what every host takes for the sign is above all that any had seen, and
// nobody can take what was written on the way for it.
func TestRecoveryIsAboveAllThatWasSeen(t *testing.T) {
	b := newBed(t)
	b.reign("db1")
	now := b.load()
	floor := now.Rev + 40
	reign := topology.Reign{Epoch: floor - 1, W: 1, Name: "db2"}
	rev := b.must(b.Recover(b.ctx(), now, Recovery{Recovered: topology.Recovered{Floor: floor, Who: "alice"}, Reign: &reign}))
	c := b.load()
	if rev <= floor || c.Recovery.Rev != rev || c.Recovery.Value.Floor != floor {
		t.Errorf("floor %d: %+v", floor, c.Recovery)
	}
	if c.Writer.Present() || c.Phase.Present() || c.Reign.Value.Name != "db2" || c.Reign.Value.Epoch != floor-1 {
		t.Errorf("writer %+v, reign %+v", c.Writer, c.Reign)
	}
}

func TestRecoveryOfWhatHasChangedMeanwhileIsRefused(t *testing.T) {
	b := newBed(t)
	now := b.load()
	b.reign("db1")
	if _, err := b.Recover(b.ctx(), now, Recovery{Recovered: topology.Recovered{Floor: 0}}); !errors.Is(err, ErrGuard) {
		t.Errorf("%v", err)
	}
	if c := b.load(); !c.Writer.Present() {
		t.Error("it was carried out all the same")
	}
}
