package topology

import (
	"maps"
	"slices"
	"time"
)

// RouterReport is key routers/<id>: what the agent beside an mmmrouter says of
// it. It is leased: a router that is not there is not registered.
type RouterReport struct {
	Name    string    `json:"name"`
	Peer    uint16    `json:"peer,omitempty"` // port where its agent answers routers that lost etcd
	Key     string    `json:"key"`            // public key by which they know what it says
	Lease   LeaseID   `json:"lease"`
	Fence   string    `json:"fence"` // what guards the VIPs; "none" is said loudly
	Router  Health    `json:"router"`
	Since   time.Time `json:"since,omitzero"`    // of Router
	Version string    `json:"version,omitempty"` // that the router gave in its greeting

	Says *RouterWord `json:"says,omitempty"` // nil: it was not asked yet
}

// RouterWord is what an mmmrouter says of itself to its operators. It is shown
// and decides nothing: the VIPs go by the greeting alone.
type RouterWord struct {
	Unknown  string `json:"unknown,omitempty"` // why nothing of the rest is known; empty: it answered
	Version  string `json:"version,omitempty"` // of mmmrouter
	Ready    bool   `json:"ready"`
	Why      string `json:"why,omitempty"` // it is not ready
	Epoch    Rev    `json:"epoch"`         // newest that it knows
	Writer   string `json:"writer"`        // of that epoch; empty: there is none
	Fresh    bool   `json:"fresh"`         // by what it knows a write may begin
	Sessions int    `json:"sessions"`      // of clients that are logged in
	Limit    int    `json:"limit"`         // of these
}

// Router finds a router by name.
func (s Spec) Router(name string) (RouterSpec, bool) {
	for _, r := range s.Routers.Hosts {
		if r.Name == name {
			return r, true
		}
	}
	return RouterSpec{}, false
}

// AsRouters is the cluster as an agent beside a router takes it: the routers
// stand where the hosts do, and their VIPs and claims where those of readers do.
// So the same rules, states and promises serve both. There is no writer in it,
// and all routers of the file are voters, whether or not they are registered:
// one that comes while this host cannot see etcd could claim what it serves.
func (c Cluster) AsRouters() Cluster {
	out := Cluster{Rev: c.Rev, Spec: c.Spec, Mode: c.Mode, Intents: c.Intents, Pins: c.Pins, Recovery: c.Recovery, Claims: c.RouterClaims,
		Hosts: map[HostID]Entry[Report]{}, Memories: map[string]Entry[Memory]{}}
	r := c.Spec.Value.Routers
	out.Spec.Value.Hosts, out.Spec.Value.Routers = nil, Routers{}
	out.Spec.Value.Roles = Roles{Reader: Role{Mode: "balanced", VIPs: r.VIPs}}
	for _, h := range r.Hosts {
		out.Spec.Value.Hosts = append(out.Spec.Value.Hosts, HostSpec{Name: h.Name, Address: h.Address, Interface: h.Interface, Port: r.Listen.RW, Mode: besideRouter, Weight: 1})
	}
	for _, id := range slices.Sorted(maps.Keys(c.Routers)) {
		e := c.Routers[id]
		out.Hosts[id] = Entry[Report]{Rev: e.Rev, Lease: e.Lease, Value: e.Value.report()}
		if _, again := out.Memories[e.Value.Name]; !again { // as in ReportOf: the same one for everybody
			out.Memories[e.Value.Name] = Entry[Memory]{Rev: e.Rev, Value: Memory{ID: id, Key: e.Value.Key}}
		}
	}
	for _, h := range r.Hosts {
		id := HostID("router " + h.Name) // nobody knows how to ask it
		if m := out.Memories[h.Name]; m.Present() {
			id = m.Value.ID
		}
		out.Reign.Value.Voters = append(out.Reign.Value.Voters, id)
	}
	return out
}

// report is what a router says, as a host would. It does not replicate, so that
// nothing can be wrong with that.
func (r RouterReport) report() Report {
	return Report{Name: r.Name, Peer: r.Peer, Lease: r.Lease, Fence: r.Fence, MySQL: r.Router, Version: r.Version,
		Checks: []Check{{Name: CheckThreads, OK: true}, {Name: CheckBacklog, OK: true}}}
}

// RouterRules is the table of an agent beside a router: of Rules those that
// concern VIPs. What it decides on is the cluster AsRouters.
var RouterRules = slices.Concat(
	rows(fenceRules, "etcd-went-back", "lease-late", "old-view", "not-a-member"),
	rows(failsafeRules, "promised"),
	vipRules)

// rows picks rows of a table by name, in the order of the table.
func rows(table []Rule, names ...string) []Rule {
	return slices.DeleteFunc(slices.Clone(table), func(r Rule) bool { return !slices.Contains(names, r.Name) })
}

// table is what this agent goes by.
func (v *View) table() []Rule {
	if v.Router {
		return RouterRules
	}
	return Rules
}

// Server is what the agent of a host stands beside, for sentences.
func (h HostSpec) Server() string {
	if h.Mode == besideRouter {
		return "mmmrouter"
	}
	return "mysqld"
}
