package step

import (
	"errors"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

var errAny = errors.New("no answer")

// R51: whose outcome of a campaign is unknown promises nothing to that reign.
func TestUnknownCampaignIsRemembered(t *testing.T) {
	s := New("db1", "id-1", "me", 1)
	campaign := topology.Action{Kind: topology.Campaign, Epoch: 7}
	s.Finish(Outcome{Action: campaign, Err: errAny}, time.Now())
	if s.Seen.Unknown != 0 {
		t.Error("a refusal counts as unknown")
	}
	s.Finish(Outcome{Action: campaign, Err: errAny, Unknown: true}, time.Now())
	s.Finish(Outcome{Action: topology.Action{Kind: topology.Remember, Epoch: 9}, Err: errAny, Unknown: true}, time.Now())
	if s.Seen.Unknown != 7 {
		t.Errorf("unknown %d", s.Seen.Unknown)
	}
}

// R50: whom a record names that was sent must promise, too, until its fate is known.
func TestVotersOfARecordOnItsWayAreRemembered(t *testing.T) {
	s := New("db1", "id-1", "me", 1)
	c := topology.Cluster{Rev: 50, Reign: topology.Entry[topology.Reign]{Rev: 40}}
	s.TakeCluster(c, time.Now())
	s.Begin(topology.Action{Kind: topology.PutReign, Reign: &topology.Reign{Voters: []topology.HostID{"id-9"}}, Guards: topology.Guards{Reign: 40}})
	c.Rev++
	s.TakeCluster(c, time.Now())
	if v := s.View(Reading{}); len(v.Seen.Offered) != 1 {
		t.Error("forgotten before the fate of the record is known")
	}
	c.Reign.Rev = 52
	s.TakeCluster(c, time.Now())
	if len(s.Seen.Offered) != 0 {
		t.Error("not forgotten")
	}
}

// R50, R52: promises count as the lease does, and with the reign's own lease gone
// another one shows.
func TestPromisesCountAsTheLeaseDoes(t *testing.T) {
	s := New("db1", "id-1", "me", 1)
	s.Term = Term{Term: topology.Term{Epoch: 7}, Under: 1}
	for _, tt := range []struct {
		name string
		have topology.Lease
		left time.Duration
		want topology.Lease
	}{
		{"only the lease", topology.Lease{ID: 1, Left: 5}, 0, topology.Lease{ID: 1, Left: 5}},
		{"promises last longer", topology.Lease{ID: 1, Left: -5}, 9, topology.Lease{ID: 1, Left: 9}},
		{"the lease lasts longer", topology.Lease{ID: 1, Left: 9}, 5, topology.Lease{ID: 1, Left: 9}},
		{"another lease", topology.Lease{ID: 2, Left: 9}, 0, topology.Lease{}},
		{"another lease, and promises", topology.Lease{ID: 2, Left: 9}, 5, topology.Lease{ID: 2, Left: 5}},
		{"promises only", topology.Lease{}, 5, topology.Lease{Left: 5}},
	} {
		if got := s.View(Reading{Lease: tt.have, Failsafe: topology.Failsafe{Left: tt.left}}).Lease; got != tt.want {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}
