package topology

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// besideTeller tells stories of routers' agents: `routers .170` begins one,
// with two routers and the VIPs that it names. Its
// commands are those of besideCommands.
type besideTeller struct {
	*routerWorld
	t     *teller
	vips  map[string][]netip.Addr // on the interface
	late  map[string]bool         // its lease was not renewed in time
	wrote map[string]Rev          // newest of its writes that it has not seen in etcd yet
	top   map[string]Rev          // highest revision that it saw
	keeps map[string]Failsafe     // while etcd is away
}

func newBesideTeller(t *teller, routers, vips int) *besideTeller {
	return &besideTeller{routerWorld: newRouterWorld(routers, vips), t: t, vips: map[string][]netip.Addr{}, late: map[string]bool{},
		wrote: map[string]Rev{}, top: map[string]Rev{}, keeps: map[string]Failsafe{}}
}

// besideCommands take the name of a router, or what they say.
var besideCommands = map[string]func(b *besideTeller, name string, more []string){
	"decide":      func(b *besideTeller, name string, _ []string) { b.decide(name) },
	"run":         func(b *besideTeller, _ string, _ []string) { b.run() },
	"show":        func(b *besideTeller, _ string, _ []string) { b.show() },
	"silent":      func(b *besideTeller, name string, _ []string) { b.up[name] = false; b.report(name) },
	"greets":      func(b *besideTeller, name string, _ []string) { b.up[name] = true; b.report(name) },
	"late":        func(b *besideTeller, name string, _ []string) { b.late[name] = true },
	"renewed":     func(b *besideTeller, name string, _ []string) { delete(b.late, name) },
	"unseen":      func(b *besideTeller, name string, _ []string) { b.wrote[name] = b.c.Rev + 1 },
	"seen":        func(b *besideTeller, name string, _ []string) { delete(b.wrote, name) },
	"restored":    func(b *besideTeller, name string, _ []string) { b.top[name] = b.c.Rev + 5 },
	"set-offline": func(b *besideTeller, name string, _ []string) { b.wish(name, WantOffline) },
	"set-online":  func(b *besideTeller, name string, _ []string) { b.wish(name, WantOnline) },
	"expelled": func(b *besideTeller, name string, _ []string) {
		r := &b.c.Spec.Value.Routers
		r.Hosts = slices.DeleteFunc(r.Hosts, func(h RouterSpec) bool { return h.Name == name })
	},
	// Its agent is killed: etcd lets go of its lease, the kernel of its addresses.
	"killed":  func(b *besideTeller, name string, _ []string) { b.kill(name); delete(b.vips, name) },
	"started": func(b *besideTeller, name string, _ []string) { b.start(name) },
	// Etcd is away; this router goes on, because the others promised it to claim nothing.
	"carried":  func(b *besideTeller, name string, _ []string) { b.keeps[name] = Failsafe{Left: time.Second} },
	"promised": func(b *besideTeller, name string, m []string) { b.keeps[name] = Failsafe{Claim: time.Second, To: m[0]} },
	// Etcd is back and has no claims any more; the promises still bind.
	"forgotten": func(b *besideTeller, _ string, _ []string) {
		clear(b.c.RouterClaims)
		for name, k := range b.keeps {
			k.Etcd = true
			b.keeps[name] = k
		}
	},
}

func (b *besideTeller) command(line string) error {
	f := append(strings.Fields(line), "", "")
	do, ok := besideCommands[f[0]]
	if !ok {
		return fmt.Errorf("unknown command %q of a story of routers", line)
	}
	do(b, f[1], f[2:])
	return nil
}

func (b *besideTeller) wish(name string, w Want) {
	b.c.Rev++
	b.c.Intents[name] = Entry[Intent]{Rev: b.c.Rev, Value: Intent{Want: w, Who: "alice"}}
}

// sees is the view of one agent, with what is on its interface.
func (b *besideTeller) sees(name string) View {
	v := b.view(name)
	v.VIPs, v.Seen.Rev, v.Seen.Top = b.vips[name], b.wrote[name], b.top[name]
	if b.late[name] {
		v.Lease.Left = 0
	}
	if k, away := b.keeps[name]; away {
		v.Failsafe = k
	}
	for _, x := range Explain(v) {
		if x.Holds {
			b.t.beside[x.Rule] = true
		}
	}
	return v
}

func (b *besideTeller) decide(name string) {
	v := b.sees(name)
	acts := Decide(v)
	for _, a := range acts {
		b.t.printf("%s: %s — %s", a.Rule, a, a.Why)
	}
	if len(acts) > 0 {
		return
	}
	said := false
	for _, x := range Explain(v) {
		if x.Holds {
			said = true
			b.t.printf("(nothing) %s — %s", x.Rule, x.Why)
		}
	}
	if !said {
		b.t.printf("(nothing)")
	}
}

// run lets all agents that live act until nobody has anything to do.
func (b *besideTeller) run() {
	for range mostTurns {
		n := 0
		for _, name := range b.names() {
			if !b.alive[name] {
				continue
			}
			for _, a := range Decide(b.sees(name)) {
				if b.carryOut(name, a) {
					b.t.printf("%s %s: %s", name, a.Rule, a)
					n++
				}
			}
		}
		if n == 0 {
			return
		}
	}
	b.t.printf("there is still something to do")
}

// carryOut does what was decided; false: it was of no effect.
func (b *besideTeller) carryOut(name string, a Action) bool {
	switch a.Kind { //nolint:exhaustive // a router's agent does nothing else
	case ClaimVIP:
		if _, taken := b.c.RouterClaims[a.VIPs[0]]; taken {
			return false
		}
		b.c.Rev++
		b.c.RouterClaims[a.VIPs[0]] = Entry[Claim]{Rev: b.c.Rev, Lease: lease(name), Value: Claim{ID: HostID(name), Name: name}}
	case GiveUpVIP:
		b.vips[name] = slices.DeleteFunc(b.vips[name], func(vip netip.Addr) bool { return vip == a.VIPs[0] })
		b.c.Rev++
		delete(b.c.RouterClaims, a.VIPs[0])
	case SetVIPs:
		b.vips[name] = slices.Clone(a.VIPs)
	case Demote:
		b.vips[name] = nil
	default:
		return false
	}
	return true
}

func (b *besideTeller) names() []string {
	var out []string
	for name := range b.alive {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// show prints whose claim stands and who answers, which may differ for a moment.
func (b *besideTeller) show() {
	for _, name := range b.names() {
		state, _ := Classify(b.c.AsRouters(), name, time.Unix(0, 0))
		var claims []string
		for _, vip := range sortedClaims(b.c.RouterClaims) {
			if b.c.RouterClaims[vip].Value.Name == name {
				claims = append(claims, vip.String())
			}
		}
		b.t.printf("  %s is %s, claims %v, answers for %v", name, state, claims, sortedAddrs(b.vips[name]))
	}
}
