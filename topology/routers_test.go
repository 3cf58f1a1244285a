package topology

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

var routerVIPs = []netip.Addr{netip.MustParseAddr("192.0.2.170"), netip.MustParseAddr("192.0.2.173")}

// routerWorld is routers and what etcd holds of them; every agent sees it at once.
type routerWorld struct {
	c     Cluster
	up    map[string]bool // the mmmrouter answers
	alive map[string]bool // its agent lives and renews
	moved int
}

func newRouterWorld(n, vips int) *routerWorld {
	w := &routerWorld{up: map[string]bool{}, alive: map[string]bool{}}
	w.c = Cluster{Rev: 1, Claims: map[netip.Addr]Entry[Claim]{}, Intents: map[string]Entry[Intent]{}, Pins: map[netip.Addr]Entry[Pin]{},
		Routers: map[HostID]Entry[RouterReport]{}, RouterClaims: map[netip.Addr]Entry[Claim]{}}
	w.c.Spec = Entry[Spec]{Rev: 1, Value: Spec{ID: "c", Hosts: []HostSpec{{Name: "db1", Mode: Master}}, Routers: Routers{VIPs: routerVIPs[:vips]}}}
	for i := range n {
		name := fmt.Sprintf("router%d", i+1)
		w.c.Spec.Value.Routers.Hosts = append(w.c.Spec.Value.Routers.Hosts, RouterSpec{Name: name, Address: netip.AddrFrom4([4]byte{192, 0, 2, byte(171 + i)})})
		w.start(name)
	}
	return w
}

func lease(name string) LeaseID { return LeaseID(name[len(name)-1]) }

func (w *routerWorld) start(name string) {
	w.up[name], w.alive[name] = true, true
	w.report(name)
}

// report writes what the agent says of its router now.
func (w *routerWorld) report(name string) {
	w.c.Rev++
	w.c.Routers[HostID(name)] = Entry[RouterReport]{Rev: w.c.Rev, Lease: lease(name),
		Value: RouterReport{Name: name, Key: "k", Lease: lease(name), Router: Health{Up: w.up[name], Why: "no greeting"}}}
}

// kill ends the agent: etcd lets go of its lease.
func (w *routerWorld) kill(name string) {
	w.alive[name] = false
	w.c.Rev++
	delete(w.c.Routers, HostID(name))
	maps.DeleteFunc(w.c.RouterClaims, func(_ netip.Addr, e Entry[Claim]) bool { return e.Value.Name == name })
}

// view is what that agent decides on.
func (w *routerWorld) view(name string) View {
	v := View{Now: time.Unix(0, 0), Self: name, ID: HostID(name), Router: true, Cluster: w.c.AsRouters(),
		Probe: Probe{Up: w.up[name], ReadOnly: true, Why: "no greeting"}, Lease: Lease{ID: lease(name), Left: time.Second, TTL: time.Second},
		Failsafe: Failsafe{Etcd: true}}
	for _, vip := range sortedClaims(w.c.RouterClaims) {
		if w.c.RouterClaims[vip].Value.Name == name {
			v.VIPs = append(v.VIPs, vip)
		}
	}
	return v
}

// turn lets one agent report and decide, and carries out what it decided.
func (w *routerWorld) turn(t *testing.T, name string) bool {
	if !w.alive[name] {
		return false
	}
	if w.c.Routers[HostID(name)].Value.Router.Up != w.up[name] {
		w.report(name)
		return true
	}
	for _, a := range Decide(w.view(name)) {
		switch a.Kind { //nolint:exhaustive // a router's agent does nothing else
		case ClaimVIP:
			if e, taken := w.c.RouterClaims[a.VIPs[0]]; taken {
				t.Fatalf("%s claims %s, which %s has", name, a.VIPs[0], e.Value.Name)
			}
			if !w.up[name] {
				t.Fatalf("%s claims %s and its router does not answer", name, a.VIPs[0])
			}
			w.c.Rev++
			w.moved++
			w.c.RouterClaims[a.VIPs[0]] = Entry[Claim]{Rev: w.c.Rev, Lease: lease(name), Value: Claim{ID: HostID(name), Name: name}}
			return true
		case GiveUpVIP:
			if w.c.RouterClaims[a.VIPs[0]].Value.Name != name {
				t.Fatalf("%s gives up what it does not have", name)
			}
			w.c.Rev++
			delete(w.c.RouterClaims, a.VIPs[0])
			return true
		case SetVIPs:
		default:
			t.Fatalf("%s decides %s by %s: %s", name, a.Kind, a.Rule, a.Why)
		}
	}
	return false
}

// settle lets all act until nobody has anything to do.
func (w *routerWorld) settle(t *testing.T) {
	t.Helper()
	for range 200 {
		busy := false
		for _, r := range w.c.Spec.Value.Routers.Hosts {
			busy = w.turn(t, r.Name) || busy
		}
		if !busy {
			return
		}
	}
	t.Fatal("the router VIPs never come to rest")
}

func (w *routerWorld) holders() []string {
	var out []string
	for _, vip := range sortedClaims(w.c.RouterClaims) {
		out = append(out, w.c.RouterClaims[vip].Value.Name)
	}
	return out
}

// R54: VIPs go to routers that answer, evenly, and move for a cause only.
func TestRouterVIPsAreWhereRoutersAnswer(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a walk that can be repeated
		w := newRouterWorld(2+int(seed%2), 1+int(seed%3)%2)
		for range 30 {
			h := w.c.Spec.Value.Routers.Hosts[r.IntN(len(w.c.Spec.Value.Routers.Hosts))].Name
			switch r.IntN(6) {
			case 0:
				w.kill(h)
			case 1:
				w.start(h)
			case 2:
				w.up[h] = false
			case 3:
				w.up[h] = true
			default:
				w.turn(t, h)
			}
		}
		w.settle(t)
		good := 0
		for _, h := range w.c.Spec.Value.Routers.Hosts {
			if w.up[h.Name] && w.alive[h.Name] {
				good++
			}
		}
		held := map[string]int{}
		for _, h := range w.holders() {
			if held[h]++; !w.up[h] || !w.alive[h] {
				t.Fatalf("seed %d: %s has a VIP and does not answer", seed, h)
			}
		}
		if vips := len(w.c.Spec.Value.Routers.VIPs); good > 0 && len(w.holders()) != vips || good > 1 && vips > 1 && len(held) < 2 {
			t.Fatalf("seed %d: %d routers answer, VIPs are held by %v", seed, good, w.holders())
		}
		before := w.moved
		for range 3 {
			w.settle(t)
		}
		if w.moved != before {
			t.Fatalf("seed %d: VIPs move without a cause", seed)
		}
	}
}

func TestRouterVIPStaysWhenTheOtherRouterIsBack(t *testing.T) {
	w := newRouterWorld(2, 1)
	w.settle(t)
	first := w.holders()[0]
	w.up[first] = false
	w.settle(t)
	second := w.holders()[0]
	if second == first {
		t.Fatal("it did not move")
	}
	w.up[first] = true
	w.settle(t)
	if got := w.holders()[0]; got != second {
		t.Errorf("it went back to %s without a cause", got)
	}
}

func TestRouterVIPFollowsPinAndIntent(t *testing.T) {
	w := newRouterWorld(2, 1)
	w.settle(t)
	other := map[string]string{"router1": "router2", "router2": "router1"}[w.holders()[0]]
	w.c.Pins[routerVIPs[0]] = Entry[Pin]{Rev: 5, Value: Pin{Host: other}}
	w.settle(t)
	if got := w.holders()[0]; got != other {
		t.Errorf("pinned to %s, is at %s", other, got)
	}
	w.c.Intents[other] = Entry[Intent]{Rev: 6, Value: Intent{Want: WantOffline}}
	w.settle(t)
	if got := w.holders()[0]; got == other {
		t.Errorf("%s was set offline and keeps the VIP", other)
	}
}

func TestRouterThatHasLostItsLeaseClosesAndNobodyElseIsTouched(t *testing.T) {
	w := newRouterWorld(2, 1)
	w.settle(t)
	v := w.view(w.holders()[0])
	v.Lease.Left = 0
	acts := Decide(v)
	if len(acts) != 1 || acts[0].Kind != Demote || acts[0].Rule != "lease-late" {
		t.Errorf("%v", acts)
	}
}

// R54: all routers of the file must promise, those that nobody knows too.
func TestAllRoutersOfTheFileMustPromise(t *testing.T) {
	w := newRouterWorld(3, 1)
	w.settle(t)
	holder := w.holders()[0]
	if ids := Promisers(w.view(holder)); len(ids) != 2 || slices.Contains(ids, HostID(holder)) {
		t.Errorf("%v", ids)
	}
	for _, h := range []string{"router1", "router2", "router3"} {
		if h != holder {
			w.kill(h)
			break
		}
	}
	if ids := Promisers(w.view(holder)); len(ids) != 2 {
		t.Errorf("a router that is gone need not promise: %v", ids)
	}
	asked := w.view("router3")
	if holder == "router3" {
		asked = w.view("router2")
	}
	if why, may := MayPromise(asked, Ask{Cluster: "c", From: HostID(holder)}); may {
		t.Error("promises although it sees etcd")
	} else if why == "" {
		t.Error("no reason")
	}
	asked.Failsafe = Failsafe{}
	if why, may := MayPromise(asked, Ask{Cluster: "c", From: HostID(holder)}); !may {
		t.Error(why)
	}
	asked.Failsafe = Failsafe{Etcd: true, Claim: time.Second}
	asked.Cluster.Claims = nil
	for _, a := range Decide(asked) {
		t.Errorf("promised, and decides %s", a)
	}
}

func TestRouterThatKeepsItsVIPByPromisesClaimsItAgain(t *testing.T) {
	w := newRouterWorld(2, 1)
	w.settle(t)
	v := w.view(w.holders()[0])
	v.Failsafe.Left, v.Cluster.Claims = time.Second, map[netip.Addr]Entry[Claim]{}
	if got := v.WantVIPs(); !slices.Equal(got, routerVIPs[:1]) {
		t.Errorf("lets go of %v", got)
	}
	acts := Decide(v)
	if len(acts) != 1 || acts[0].Kind != ClaimVIP {
		t.Errorf("%v", acts)
	}
}

// Sentences are what operators read.
func TestRouterIsToldAsRouter(t *testing.T) {
	w := newRouterWorld(2, 1)
	w.up["router1"] = false
	w.report("router1")
	state, why := Classify(w.c.AsRouters(), "router1", time.Unix(0, 0))
	if state != HardOffline || why != "mmmrouter is down: no greeting" {
		t.Errorf("%s: %s", state, why)
	}
}

// A pin moves a router VIP in mode PASSIVE, as it does one of readers, and keeps it
// where it is afterwards.
func TestPinMovesARouterVIP(t *testing.T) {
	w := newRouterWorld(2, 1)
	w.settle(t)
	first, vip := w.holders()[0], w.c.Spec.Value.Routers.VIPs[0]
	other := w.c.Spec.Value.Routers.Hosts[0].Name
	if other == first {
		other = w.c.Spec.Value.Routers.Hosts[1].Name
	}
	w.c.Mode = Entry[ModeSetting]{Rev: 90, Value: ModeSetting{Mode: Passive}}
	w.c.Pins = map[netip.Addr]Entry[Pin]{vip: {Rev: 91, Value: Pin{Host: other}}}
	for _, m := range []Mode{Passive, Active} {
		w.c.Mode.Value.Mode = m
		w.settle(t)
		if got := w.holders(); len(got) != 1 || got[0] != other {
			t.Errorf("pinned to %s in mode %s, and held by %v", other, m, got)
		}
	}
}
