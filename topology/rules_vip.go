package topology

import (
	"fmt"
	"net/netip"
	"slices"
)

// vipRules move addresses. Each host acts for itself, all from the same view.
var vipRules = []Rule{
	{
		Name: "give-up",
		Doc:  "A reader VIP belongs to another host now, or this host may not serve readers: first the address goes, then the claim (R54).",
		When: func(v *View) (string, bool) {
			vip, why := v.surplus()
			return why, vip.IsValid()
		},
		Then: func(v *View) []Action {
			vip, _ := v.surplus()
			return one(Action{Kind: GiveUpVIP, VIPs: []netip.Addr{vip}})
		},
	},
	{
		Name: "claim",
		Doc:  "A reader VIP that nobody holds is this host's to serve (R54).",
		When: func(v *View) (string, bool) {
			vip := v.unclaimed()
			return fmt.Sprintf("nobody serves %s and it is this host's turn", vip), vip.IsValid()
		},
		Then: func(v *View) []Action {
			return one(Action{Kind: ClaimVIP, VIPs: []netip.Addr{v.unclaimed()}})
		},
	},
	{
		Name: "addresses",
		Doc:  "The addresses on the interface are those that this host has claimed, and the writer's when it is the open writer.",
		When: when("the addresses differ from the claims", func(v *View) bool {
			return !v.busy(OpenDoor, Drain) && !slices.Equal(sortedAddrs(v.VIPs), v.WantVIPs())
		}),
		Then: func(v *View) []Action { return one(Action{Kind: SetVIPs, VIPs: v.WantVIPs()}) },
	},
}

// WantVIPs are the addresses that this host should answer for, sorted: none
// without a mysqld that answers.
func (v *View) WantVIPs() []netip.Addr {
	var out []netip.Addr
	if !v.Probe.Up {
		return out
	}
	for vip, c := range v.Cluster.Claims {
		if c.Lease == v.Lease.ID && c.Value.ID == v.ID && v.mayServe(vip) && !v.left(vip) {
			out = append(out, vip)
		}
	}
	for _, vip := range v.kept() {
		if !slices.Contains(out, vip) {
			out = append(out, vip)
		}
	}
	if s, drains := v.draining(); v.carried() || v.opened() && v.phase() == Ready && !(drains && s.Step != Asked) {
		out = append(out, v.Cluster.Spec.Value.Roles.Writer.VIPs...)
	}
	return sortedAddrs(out)
}

// assignment is who should hold which reader VIP.
func (v *View) assignment() map[netip.Addr]string {
	if v.memo != nil && v.memo.assigned != nil {
		return v.memo.assigned
	}
	role := v.Cluster.Spec.Value.Roles.Reader
	var hosts []ReaderHost
	for _, h := range v.Cluster.Spec.Value.Hosts {
		if state, _ := v.classify(h.Name); state == Online && (len(role.Hosts) == 0 || slices.Contains(role.Hosts, h.Name)) {
			hosts = append(hosts, ReaderHost{Name: h.Name, Weight: h.Weight})
		}
	}
	prev, pins := map[netip.Addr]string{}, map[netip.Addr]string{}
	for vip, c := range v.Cluster.Claims {
		prev[vip] = c.Value.Name
	}
	for vip, p := range v.Cluster.Pins {
		pins[vip] = p.Value.Host
	}
	out := AssignReaders(role.VIPs, hosts, prev, pins)
	if v.memo != nil {
		v.memo.assigned = out
	}
	return out
}

// left reports whether this process took an address down to give its claim up.
// It stays down while etcd shows that claim: it may be gone for long, and another
// host answer, when the answer to the release was lost and the watch is late.
func (v *View) left(vip netip.Addr) bool {
	rev, gone := v.Seen.Left[vip]
	return gone && rev == v.Cluster.Claims[vip].Rev
}

// surplus is a claim of this host that it should give up, and why.
func (v *View) surplus() (netip.Addr, string) {
	state, why := v.classify(v.Self)
	passive := v.Cluster.ModeNow() == Passive
	want := v.assignment()
	for _, vip := range sortedClaims(v.Cluster.Claims) {
		c := v.Cluster.Claims[vip]
		known := slices.Contains(v.Cluster.Spec.Value.Roles.Reader.VIPs, vip)
		pinned := v.Cluster.Pins[vip].Value.Host
		switch {
		case c.Value.ID != v.ID || c.Lease != v.Lease.ID:
			continue
		case v.left(vip):
			return vip, "its address is down already"
		case passive && (pinned == "" || pinned == v.Self):
			continue
		case passive:
			return vip, "the operator put it on " + pinned
		case !known:
			return vip, "the cluster file no longer has this VIP"
		case state == HardOffline && v.Probe.Up && !v.reported():
			continue // it only has a new lease, and its report is on its way
		case state != Online && want[vip] != "":
			return vip, fmt.Sprintf("this host is %s: %s", state, why)
		case want[vip] != v.Self && want[vip] != "":
			return vip, "balance: it is " + want[vip] + "'s turn"
		case !v.Probe.Up:
			me, _ := v.me()
			return vip, me.Server() + " is down: " + v.Probe.Why
		}
	}
	return netip.Addr{}, ""
}

// reported says whether this host's report stands in the view. It may lack after etcd
// has let go of a lease, while the host has its addresses by the promises of all others.
func (v *View) reported() bool {
	_, ok := v.Cluster.Hosts[v.ID]
	return ok
}

// unclaimed is a reader VIP that is free and assigned to this host.
func (v *View) unclaimed() netip.Addr {
	if !v.Probe.Up {
		return netip.Addr{}
	}
	for _, vip := range v.kept() {
		if _, claimed := v.Cluster.Claims[vip]; !claimed {
			return vip
		}
	}
	if v.Cluster.ModeNow() == Passive {
		return v.pinnedHere()
	}
	want := v.assignment()
	for _, vip := range v.Cluster.Spec.Value.Roles.Reader.VIPs {
		if _, held := v.Cluster.Claims[vip]; !held && want[vip] == v.Self {
			return vip
		}
	}
	return netip.Addr{}
}

// pinnedHere is a free VIP that an operator put on this host while PASSIVE.
func (v *View) pinnedHere() netip.Addr {
	for _, vip := range sortedClaims(v.Cluster.Pins) {
		if _, held := v.Cluster.Claims[vip]; !held && v.Cluster.Pins[vip].Value.Host == v.Self {
			return vip
		}
	}
	return netip.Addr{}
}

func sortedClaims[V any](m map[netip.Addr]V) []netip.Addr {
	var out []netip.Addr
	for a := range m {
		out = append(out, a)
	}
	return sortedAddrs(out)
}

func sortedAddrs(in []netip.Addr) []netip.Addr {
	out := slices.Clone(in)
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}
