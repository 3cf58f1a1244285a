package store

import (
	"errors"
	"testing"

	"github.com/mmm-ha/mmm/topology"
)

func TestLoadShowsEveryKeyWithRevisionAndLease(t *testing.T) {
	b := newBed(t)
	if c := b.load(); c.Intents == nil || c.Memories == nil || c.Hosts == nil || c.Bids == nil || c.Claims == nil || c.Pins == nil || c.Rev == 0 {
		t.Errorf("an empty cluster has nil maps: %+v", c)
	}
	lease := b.lease()
	revs := map[string]topology.Rev{
		"spec":   b.must(b.PutSpec(b.ctx(), 0, topology.Spec{Cluster: "test"})),
		"mode":   b.must(b.SetMode(b.ctx(), 0, topology.ModeSetting{Mode: topology.Manual})),
		"intent": b.must(b.SetIntent(b.ctx(), "db1", 0, topology.Intent{Want: topology.WantOffline})),
		"memory": b.must(b.PutMemory(b.ctx(), "db1", 0, topology.Memory{Why: "crash"})),
		"report": b.must(b.PutReport(b.ctx(), lease, "a", topology.Report{Name: "db1", Position: position(t, "0-1-7")})),
		"bid":    b.must(b.PutBid(b.ctx(), lease, "a", topology.Bid{Name: "db1"}, Guards{})),
		"claim":  b.must(b.ClaimVIP(b.ctx(), lease, vip(9), topology.Claim{Name: "db1"})),
		"pin":    b.must(b.Pin(b.ctx(), vip(9), 0, topology.Pin{Host: "db1"})),
	}
	_, epoch := b.reign("db1")
	revs["writer"] = epoch
	revs["reign"] = b.must(b.PutReign(b.ctx(), epoch, 0, topology.Reign{W: 1}))
	order := b.order(epoch, topology.Asked)
	if err := b.AppendEvent(b.ctx(), "a", topology.Event{What: "something was done"}); err != nil {
		t.Fatal(err)
	}
	c := b.load()
	got := map[string]topology.Rev{
		"spec": c.Spec.Rev, "mode": c.Mode.Rev, "intent": c.Intents["db1"].Rev, "memory": c.Memories["db1"].Rev,
		"report": c.Hosts["a"].Rev, "bid": c.Bids["a"].Rev, "claim": c.Claims[vip(9)].Rev, "pin": c.Pins[vip(9)].Rev,
		"writer": c.Writer.Rev, "reign": c.Reign.Rev,
	}
	for key, rev := range revs {
		if got[key] != rev {
			t.Errorf("%s: revision %d, want %d", key, got[key], rev)
		}
	}
	if c.Rev <= order.Rev || c.Hosts["a"].Lease != lease || c.Claims[vip(9)].Lease != lease || c.Spec.Lease != 0 {
		t.Errorf("revision %d, leases %d %d %d", c.Rev, c.Hosts["a"].Lease, c.Claims[vip(9)].Lease, c.Spec.Lease)
	}
	if got := c.Hosts["a"].Value.Position.String(); got != "0-1-7" {
		t.Errorf("position %q", got)
	}
}

func TestUnreadableKeyOfAHostDisturbsNoOther(t *testing.T) {
	b := newBed(t)
	b.must(b.PutReport(b.ctx(), b.lease(), "a", topology.Report{Name: "db1"}))
	b.scribble("hosts/b", `{"v":1,`)
	b.scribble("intent/db3", `{"v":7}`)
	b.scribble("readers/192.0.2.09", `{"v":1}`)
	b.scribble("strangers/x", `no business of ours`)
	c := b.load()
	if c.Hosts["a"].Value.Name != "db1" {
		t.Error("the good report is lost")
	}
	if h := c.Hosts["b"]; !h.Present() || h.Value.Name != "" {
		t.Errorf("the broken report reads as %+v, want present and empty", h)
	}
	if i := c.Intents["db3"]; !i.Present() || i.Value.Want == topology.WantOnline {
		t.Errorf("the newer intent reads as %+v, want present and empty", i)
	}
	broken, err := b.Broken(b.ctx())
	if err != nil || len(broken) != 3 {
		t.Fatalf("broken %v, %v", broken, err)
	}
	if broken[0].Key != "/mmm/test/hosts/b" {
		t.Errorf("first broken key %s", broken[0].Key)
	}
	b.must(b.SetIntent(b.ctx(), "db3", c.Intents["db3"].Rev, topology.Intent{Want: topology.WantOnline}))
}

func TestUnreadableModeIsPassive(t *testing.T) {
	b := newBed(t)
	b.scribble("mode", `{"v":2,"mode":"ACTIVE"}`)
	if m := b.load().ModeNow(); m != topology.Passive {
		t.Errorf("mode %s", m)
	}
}

func TestUnreadableKeyOfTheClusterIsAnErrorThatNamesIt(t *testing.T) {
	for _, key := range []string{"spec", "writer", "reign"} {
		t.Run(key, func(t *testing.T) {
			b := newBed(t)
			b.scribble(key, `{"v":2}`)
			_, err := b.Load(b.ctx())
			var broken *KeyError
			if !errors.As(err, &broken) || broken.Key != "/mmm/test/"+key {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestNeighbourClusterIsNotSeen(t *testing.T) {
	b := newBed(t)
	other := bedOf(t, b.etcd, "test0", b.etcd.Endpoint) // follows "test/" in etcd's order
	other.must(other.SetIntent(b.ctx(), "db1", 0, topology.Intent{Want: topology.WantOffline}))
	if c := b.load(); len(c.Intents) != 0 {
		t.Errorf("intents %v", c.Intents)
	}
}
