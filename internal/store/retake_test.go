package store

import (
	"errors"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/mmm-ha/mmm/topology"
)

// taken is a reign that etcd has let go of, and the request to take it again.
func taken(t *testing.T) (b *bed, req CampaignRequest, reign topology.Reign) {
	t.Helper()
	b = newBed(t)
	lease, epoch := b.reign("db1")
	b.must(b.PutPhase(b.ctx(), lease, epoch, topology.Phase{Step: topology.Ready}))
	b.must(b.PutReign(b.ctx(), epoch, 0, topology.Reign{Epoch: epoch, W: 1, Ackers: map[topology.HostID]topology.Incarnation{"id-db2": "run-2"}}))
	if _, err := b.raw.Revoke(b.ctx(), clientv3.LeaseID(lease)); err != nil {
		t.Fatal(err)
	}
	now := b.load()
	return b, campaign(b.lease(), "db1", now), now.Reign.Value
}

func TestRetakenReignIsOneEpochInAllItsKeys(t *testing.T) {
	b, req, reign := taken(t)
	epoch := b.must(b.Retake(b.ctx(), req, reign))
	c := b.load()
	if c.Epoch() != epoch || c.Phase.Value.Epoch != epoch || c.Reign.Value.Epoch != epoch || epoch <= reign.Epoch {
		t.Errorf("epoch %d: writer %d, phase %d, reign %d", epoch, c.Epoch(), c.Phase.Value.Epoch, c.Reign.Value.Epoch)
	}
	if c.Phase.Value.Step != topology.Ready || c.Reign.Value.Ackers["id-db2"] != "run-2" || c.Writer.Lease != req.Lease || c.Phase.Lease != req.Lease {
		t.Errorf("phase %+v, reign %+v", c.Phase, c.Reign)
	}
	again := c.Reign.Value
	again.W = 2
	b.must(b.PutReign(b.ctx(), epoch, c.Reign.Rev, again))
	if r := b.load().Reign.Value; r.Epoch != epoch || r.W != 2 {
		t.Errorf("reign %+v", r)
	}
}

func TestReignIsNotTakenAgainOverAnother(t *testing.T) {
	b, req, reign := taken(t)
	other := campaign(b.lease(), "db2", b.load())
	b.must(b.Campaign(b.ctx(), other))
	if _, err := b.Retake(b.ctx(), req, reign); !errors.Is(err, ErrGuard) {
		t.Errorf("%v", err)
	}
	if w := b.load().Writer.Value.Name; w != "db2" {
		t.Errorf("%s is writer", w)
	}
}

func TestReignThatChangedIsNotTakenAgain(t *testing.T) {
	b, req, reign := taken(t)
	epoch := b.must(b.Campaign(b.ctx(), campaign(b.lease(), "db2", b.load())))
	b.must(b.PutReign(b.ctx(), epoch, b.load().Reign.Rev, topology.Reign{W: 1}))
	if _, err := b.DropWriter(b.ctx(), epoch); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Retake(b.ctx(), req, reign); !errors.Is(err, ErrGuard) {
		t.Errorf("%v", err)
	}
}

func TestReignIsTakenAgainOnlyWithItsGuards(t *testing.T) {
	b, req, reign := taken(t)
	now := b.load()
	all := map[string]func(Guards) Guards{
		"spec":   func(g Guards) Guards { return g.Spec(now.Spec.Rev) },
		"mode":   func(g Guards) Guards { return g.Mode(now.Mode.Rev) },
		"reign":  func(g Guards) Guards { return g.Reign(now.Reign.Rev) },
		"intent": func(g Guards) Guards { return g.Intent("db1", now.Intents["db1"].Rev) },
	}
	for missing := range all {
		req.Guards = Guards{}
		for name, guard := range all {
			if name != missing {
				req.Guards = guard(req.Guards)
			}
		}
		if _, err := b.Retake(b.ctx(), req, reign); !errors.Is(err, ErrGuard) {
			t.Errorf("without a guard of %s: %v", missing, err)
		}
	}
	req.Guards, req.Lease = Guards{}.Spec(0).Mode(0).Reign(0).Intent("db1", 0), 0
	if _, err := b.Retake(b.ctx(), req, reign); !errors.Is(err, ErrLeaseGone) {
		t.Errorf("%v", err)
	}
}
