package ctl

import (
	"context"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// routed is shop with two routers in front, and a VIP that router1 serves.
func routed() topology.Cluster {
	c := shop()
	c.Routers, c.RouterClaims = map[topology.HostID]topology.Entry[topology.RouterReport]{}, map[netip.Addr]topology.Entry[topology.Claim]{}
	c.Spec.Value.Routers = topology.Routers{VIPs: []netip.Addr{addr(170)}, Listen: topology.Listen{RW: 3306}}
	for i, name := range []string{"router2", "router1"} {
		c.Spec.Value.Routers.Hosts = append(c.Spec.Value.Routers.Hosts, topology.RouterSpec{Name: name, Address: addr(172 - i), Interface: "eth0"})
		c.Routers[idOf(name)] = entry(topology.RouterReport{Name: name, Key: "key", Fence: "nftables", Router: topology.Health{Up: true}, Since: noon.Add(-time.Hour),
			Version: "10.11.11-MariaDB", Says: &topology.RouterWord{Version: "1.2.0", Ready: true, Epoch: 7, Writer: "db1", Fresh: true, Sessions: 12 * i, Limit: 1000}}, 50)
	}
	c.RouterClaims[addr(170)] = entry(topology.Claim{ID: "id-router1", Name: "router1", Since: noon.Add(-192 * time.Second)}, 51)
	return c
}

// says alters what a router says of itself.
func says(c *topology.Cluster, name string, f func(w *topology.RouterWord)) {
	e := c.Routers[idOf(name)]
	w := *e.Value.Says
	f(&w)
	e.Value.Says = &w
	c.Routers[idOf(name)] = e
}

// routerGone takes a router's lease away, and its claim.
func routerGone(c *topology.Cluster, name string) {
	delete(c.Routers, idOf(name))
	if c.RouterClaims[addr(170)].Value.Name == name {
		delete(c.RouterClaims, addr(170))
	}
}

func routerDown(c *topology.Cluster, name string) {
	e := c.Routers[idOf(name)]
	e.Value.Router, e.Value.Since = topology.Health{Why: "it takes no connection at 192.0.2.172:3306: connection refused"}, noon.Add(-41*time.Second)
	e.Value.Says = &topology.RouterWord{Unknown: "its pages at 127.0.0.1:9990 cannot be read: connection refused"}
	c.Routers[idOf(name)] = e
}

var routerSituations = []struct {
	name   string
	change func(c *topology.Cluster)
	check  Exit
}{
	{"routers_well", func(*topology.Cluster) {}, ExitOK},
	{"routers_agent_gone", func(c *topology.Cluster) { routerGone(c, "router2") }, ExitWarn},
	{"routers_one_down", func(c *topology.Cluster) { routerDown(c, "router2") }, ExitWarn},
	{"routers_old_view", func(c *topology.Cluster) {
		says(c, "router2", func(w *topology.RouterWord) { w.Epoch, w.Writer, w.Fresh = 5, "db2", false })
	}, ExitWarn},
	{"routers_not_ready", func(c *topology.Cluster) {
		says(c, "router1", func(w *topology.RouterWord) { w.Ready, w.Why = false, "this router ends" })
		says(c, "router2", func(w *topology.RouterWord) { w.Fresh = false })
	}, ExitWarn},
	{"routers_pages_silent", func(c *topology.Cluster) {
		says(c, "router1", func(w *topology.RouterWord) {
			*w = topology.RouterWord{Unknown: "its pages at 127.0.0.1:9990 cannot be read: connection refused"}
		})
	}, ExitWarn},
	{"routers_none_serves", func(c *topology.Cluster) { routerGone(c, "router1"); routerGone(c, "router2") }, ExitCrit},
	{"routers_unfenced_and_unknown", func(c *topology.Cluster) {
		e := c.Routers["id-router1"]
		e.Value.Fence = "none"
		c.Routers["id-router1"] = e
		e.Value.Name = "router9"
		c.Routers["id-router9"] = e
	}, ExitWarn},
	{"routers_without_an_agent", func(c *topology.Cluster) {
		c.Holds = map[string]topology.Entry[topology.RouterHold]{"a": entry(topology.RouterHold{Name: "app1"}, 60),
			"b": entry(topology.RouterHold{Name: "router1"}, 61), "c": entry(topology.RouterHold{Name: "app1"}, 62)}
	}, ExitOK},
	{"routers_offline", func(c *topology.Cluster) {
		c.Intents["router2"] = entry(topology.Intent{Want: topology.WantOffline, Who: "alice@ops1", Why: "new kernel", Since: noon.Add(-time.Hour)}, 40)
	}, ExitWarn},
}

// Golden: what an operator is told of routers, in testdata/<situation>.txt.
func TestRouterViews(t *testing.T) {
	for _, s := range routerSituations {
		t.Run(s.name, func(t *testing.T) {
			cl := routed()
			s.change(&cl)
			golden(t, s.name+".txt", asked(t, cl, nil,
				view{"show", func(b *bench) error { return b.Show(context.Background()) }},
				view{"status", func(b *bench) error { return b.Status(context.Background(), false) }},
				view{"checks all router", func(b *bench) error { return b.Checks(context.Background(), "all", "router") }},
				view{"explain router1", func(b *bench) error { return b.Explain(context.Background(), "router1") }},
				view{"explain router2", func(b *bench) error { return b.Explain(context.Background(), "router2") }},
			))
			b := newBench(t, cl)
			if got := ExitOf(b.Status(context.Background(), true)); got != s.check {
				t.Errorf("status --check ends with %d, want %d", got, s.check)
			}
		})
	}
}

func TestRoutersAreInTheJSONOfStatus(t *testing.T) {
	cl := routed()
	routerDown(&cl, "router2")
	b := newBench(t, cl)
	b.Format = JSON
	if err := b.Status(context.Background(), false); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Routers  json.RawMessage `json:"routers"`
		Problems []string        `json:"problems"`
	}
	if err := json.Unmarshal(b.out.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	text.Write(doc.Routers)
	golden(t, "routers.json", text.String()+"\n")
	if len(doc.Problems) != 1 || !strings.Contains(doc.Problems[0], "router2 is HARD_OFFLINE: mmmrouter is down") {
		t.Errorf("problems: %q", doc.Problems)
	}
}

func TestChecksOfARouterAreItsOwn(t *testing.T) {
	b := newBench(t, routed())
	if err := b.Checks(context.Background(), "router1", ""); err != nil {
		t.Fatal(err)
	}
	if got := b.out.String(); strings.Contains(got, "rep_threads") || !strings.Contains(got, "router1  router") {
		t.Errorf("printed\n%s", got)
	}
	if err := b.Checks(context.Background(), "router7", ""); ExitOf(err) != ExitNotFound {
		t.Errorf("an unknown name: %v", err)
	}
}

func TestRouterIsSetOfflineAndOnline(t *testing.T) {
	cl := routed()
	b := newBench(t, cl)
	if err := b.SetOffline(context.Background(), "router1"); err != nil {
		t.Fatal(err)
	}
	if got := b.store.cluster.Intents["router1"].Value.Want; got != topology.WantOffline {
		t.Errorf("the wish is %q", got)
	}
	if err := b.SetOnline(context.Background(), "router1"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.out.String(), "router1 is ADMIN_OFFLINE\n") || !strings.Contains(b.out.String(), "router1 is ONLINE\n") {
		t.Errorf("printed\n%s", b.out)
	}
	routerDown(&b.store.cluster, "router1")
	b.store.cluster.Intents["router1"] = entry(topology.Intent{Want: topology.WantOffline}, 90)
	if err := b.SetOnline(context.Background(), "router1"); ExitOf(err) != ExitRefused || !strings.Contains(err.Error(), "mmmrouter of router1 is not well") {
		t.Errorf("a router that is down: %v", err)
	}
}

func TestRouterVIPIsPinnedToARouterAndFreed(t *testing.T) {
	cl := routed()
	mode(&cl, topology.Passive)
	b := newBench(t, cl)
	vip := addr(170).String()
	for _, c := range []struct {
		ip, name string
		exit     Exit
	}{
		{vip, "db2", ExitNotFound}, {"192.0.2.110", "router2", ExitNotFound}, {vip, "router2", ExitOK},
	} {
		if err := b.SetIP(context.Background(), c.ip, c.name); ExitOf(err) != c.exit {
			t.Errorf("set-ip %s %s: %v", c.ip, c.name, err)
		}
	}
	if got := b.store.cluster.Pins[addr(170)].Value.Host; got != "router2" {
		t.Errorf("pinned to %q", got)
	}
	if err := b.Unpin(context.Background(), vip); err != nil || b.store.cluster.Pins[addr(170)].Present() {
		t.Errorf("err %v; pins %v", err, b.store.cluster.Pins)
	}
	routerDown(&b.store.cluster, "router2")
	if err := b.SetIP(context.Background(), vip, "router2"); ExitOf(err) != ExitRefused {
		t.Errorf("to a router that is down: %v", err)
	}
}
