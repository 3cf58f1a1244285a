package store

import (
	"testing"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// beside is the same cluster for the agent of a router.
func (b *bed) beside() Beside { return Beside{Client: b.Client, Key: "public"} }

func TestRouterIsRegisteredWithWhatItSays(t *testing.T) {
	b := newBed(t)
	lease, since := b.lease(), time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	says := topology.RouterWord{Version: "1.2.0", Ready: true, Epoch: 7, Writer: "db1", Fresh: true, Sessions: 12, Limit: 1000}
	b.must(b.beside().PutReport(b.ctx(), lease, "a", topology.Report{
		Name: "router1", Lease: lease, Fence: "nftables", MySQL: topology.Health{Up: true}, Version: "10.11.11-MariaDB", Says: &says,
		Checks: []topology.Check{{Name: topology.CheckPing, Since: since.Add(-time.Hour)}, {Name: topology.CheckMySQL, OK: true, Since: since}},
	}))
	b.must(b.beside().ClaimVIP(b.ctx(), lease, vip(9), topology.Claim{ID: "a", Name: "router1", Since: since}))
	c := b.load()
	r := c.Routers["a"].Value
	if r.Name != "router1" || r.Key != "public" || !r.Router.Up || !r.Since.Equal(since) || r.Says == nil || *r.Says != says {
		t.Errorf("registered %+v, it says %+v", r, r.Says)
	}
	if claim := c.RouterClaims[vip(9)]; claim.Lease != lease || !claim.Value.Since.Equal(since) || len(c.Claims) > 0 || len(c.Hosts) > 0 {
		t.Errorf("claimed %+v; readers' claims %v, hosts %v", claim, c.Claims, c.Hosts)
	}
}
