package clusterfile

import (
	"net/netip"
	"regexp"
	"slices"

	"github.com/goccy/go-yaml/token"

	"github.com/mmm-ha/mmm/topology"
)

// label is what a cluster or a host may be called: it is a part of etcd keys
// and of MMM's output, so neither slashes nor brackets nor blanks.
var label = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`)

// check looks at what the values say of each other.
func (c *collector) check(d *document) {
	if !d.apiVersion.given() {
		c.add(d.at, "apiVersion is missing; the first line is: apiVersion: %s", APIVersion)
	}
	switch {
	case !d.cluster.given():
		c.add(d.at, "cluster is missing: give the cluster a name")
	case d.cluster.set() && !label.MatchString(d.cluster.v):
		c.add(d.cluster.at, "%q cannot be a cluster's name; use letters, digits, '-', '_' and '.'", d.cluster.v)
	}
	c.checkHosts(d)
	c.checkVIPs(d)
	c.checkWriterRole(d)
	c.checkReaderRole(d)
	c.checkRouters(d)
	switch {
	case !d.durability.set(), d.durability.v == string(topology.Lossless), d.durability.v == string(topology.Available):
	default:
		c.add(d.durability.at, "unknown durability %q; write %s or %s", d.durability.v, topology.Lossless, topology.Available)
	}
	if t := d.timing; t.ttl.set() && t.ttl.v.D()%1e9 != 0 {
		c.add(t.ttl.at, "ttl must be whole seconds, because etcd counts leases so")
	}
	if t := d.timing; t.probe.or(probeDefault) > t.probeLimit.or(probeLimitDefault) {
		c.add(firstSet(t.probe.at, t.probeLimit.at), "probe (%s) must not be longer than probeLimit (%s)", t.probe.or(probeDefault), t.probeLimit.or(probeLimitDefault))
	}
	if d.replication.set() && d.replication.v == "" {
		c.add(d.replication.at, "replicationUser must not be empty")
	}
}

func firstSet(places ...*token.Token) *token.Token {
	for _, p := range places {
		if p != nil {
			return p
		}
	}
	return nil
}

// checkHosts looks at every host alone and for names and addresses used twice.
func (c *collector) checkHosts(d *document) {
	if len(d.hosts) < 2 && !c.problemOnLineOf(d.hostsAt) {
		c.add(firstSet(d.hostsAt, d.at), "a cluster needs at least two hosts: one writes and another one acknowledges")
	}
	names, addresses := map[string]*token.Token{}, map[netip.Addr]*token.Token{}
	for _, h := range d.hosts {
		c.checkHost(d, h)
		if h.name.set() {
			if first, again := names[h.name.v]; again {
				c.add(h.name.at, "host name %q is used twice, first at [%d:%d]", h.name.v, first.Position.Line, first.Position.Column)
			}
			names[h.name.v] = h.name.at
		}
		if h.address.set() {
			if first, again := addresses[h.address.v]; again {
				c.add(h.address.at, "address %s is used twice, first at [%d:%d]", h.address.v, first.Position.Line, first.Position.Column)
			}
			addresses[h.address.v] = h.address.at
		}
	}
	// A mode that cannot be read may have been meant as master.
	writers := slices.ContainsFunc(d.hosts, func(h host) bool { return h.mayWrite() || h.mode.bad })
	if !writers && len(d.hosts) > 0 {
		c.add(d.hosts[0].at, "no host may be writer; give at least one mode: master without the tag nofailover")
	}
}

func (c *collector) checkHost(d *document, h host) {
	switch {
	case !h.name.given():
		c.add(h.at, "this host has no name")
	case h.name.set() && !label.MatchString(h.name.v):
		c.add(h.name.at, "%q cannot be a host's name; use letters, digits, '-', '_' and '.'", h.name.v)
	}
	if !h.address.given() && !c.problemOnLineOf(h.at) {
		c.add(h.at, "host %q has no address", h.name.v)
	}
	if !h.mode.given() && !c.problemOnLineOf(h.at) {
		c.add(h.at, "host %q has no mode; write master (may be writer) or slave (never writer)", h.name.v)
	}
	port, replication := h.ports(d.defaults)
	if port == replication {
		c.add(firstSet(h.replicationPort.at, h.port.at, d.defaults.replicationPort.at, d.defaults.port.at, h.at),
			"port and replicationPort of host %q are both %d; clients and replicas need a listener each", h.name.v, port)
	}
	if i := firstValue(h.iface, d.defaults.iface); i.set() && (i.v == "" || len(i.v) > 15) {
		c.add(i.at, "%q cannot be a network interface; names have 1 to 15 bytes", i.v)
	}
	for i, t := range h.tags {
		if !label.MatchString(t.v) {
			c.add(t.at, "%q cannot be a tag; use letters, digits, '-', '_' and '.'", t.v)
		} else if t.v != topology.TagNoFailover && nearest(t.v, []string{topology.TagNoFailover}) != "" {
			// A tag may say anything, but a misspelt one of this name would
			// let a host be elected that should never be.
			c.add(t.at, "unknown tag %q (did you mean %q?)", t.v, topology.TagNoFailover)
		}
		if slices.ContainsFunc(h.tags[:i], func(o value[string]) bool { return o.v == t.v }) {
			c.add(t.at, "tag %q is given twice", t.v)
		}
	}
}

func firstValue(vs ...value[string]) value[string] {
	for _, v := range vs {
		if v.set() {
			return v
		}
	}
	return value[string]{}
}

// problemOnLineOf reports whether something on that line is wrong already: a
// misspelt key is the likely cause of a missing one.
func (c *collector) problemOnLineOf(at *token.Token) bool {
	return at != nil && slices.ContainsFunc(c.problems, func(p Problem) bool { return p.Line == at.Position.Line })
}

// checkVIPs looks for addresses that are used for more than one thing.
func (c *collector) checkVIPs(d *document) {
	type use struct {
		what string
		at   *token.Token
	}
	uses := map[netip.Addr]use{}
	for _, h := range d.hosts {
		if h.address.set() {
			uses[h.address.v] = use{"the address of host " + h.name.v, h.address.at}
		}
	}
	for _, h := range d.routers.hosts { // one that is a host's, too, was told already
		if _, taken := uses[h.address.v]; h.address.set() && !taken {
			uses[h.address.v] = use{"the address of router " + h.name.v, h.address.at}
		}
	}
	for _, r := range []struct {
		name string
		vips []value[netip.Addr]
	}{{"role writer", d.writer.vips}, {"role reader", d.reader.vips}, {"routers", d.routers.vips}} {
		for _, v := range r.vips {
			if u, taken := uses[v.v]; taken {
				c.add(v.at, "VIP %s is already %s at [%d:%d]", v.v, u.what, u.at.Position.Line, u.at.Position.Column)
				continue
			}
			uses[v.v] = use{"a VIP of " + r.name, v.at}
		}
	}
}

// checkRoleHosts looks at the hosts that a role names.
func (c *collector) checkRoleHosts(d *document, name string, r role) {
	known := texts(hostNames(d))
	for i, v := range r.hosts {
		if !slices.Contains(known, v.v) {
			c.add(v.at, "role %s names host %q, which is not in hosts; there are %s", name, v.v, list(known))
		}
		if slices.ContainsFunc(r.hosts[:i], func(o value[string]) bool { return o.v == v.v }) {
			c.add(v.at, "role %s names host %q twice", name, v.v)
		}
	}
}

func hostNames(d *document) []value[string] {
	var out []value[string]
	for _, h := range d.hosts {
		if h.name.set() {
			out = append(out, h.name)
		}
	}
	return out
}

func (c *collector) checkWriterRole(d *document) {
	c.checkRoleHosts(d, "writer", d.writer)
	named := func(n string) bool {
		return len(d.writer.hosts) == 0 || slices.ContainsFunc(d.writer.hosts, func(v value[string]) bool { return v.v == n })
	}
	for _, v := range append(slices.Clone(d.writer.hosts), d.writer.prefer) {
		i := slices.IndexFunc(d.hosts, func(h host) bool { return v.set() && h.name.v == v.v })
		if i >= 0 && d.hosts[i].mode.set() && !d.hosts[i].mayWrite() {
			c.add(v.at, "host %q can never be writer: it has mode slave or the tag nofailover", v.v)
		}
	}
	if p := d.writer.prefer; p.set() && !slices.ContainsFunc(d.hosts, func(h host) bool { return h.name.v == p.v }) {
		c.add(p.at, "role writer prefers host %q, which is not in hosts; there are %s", p.v, list(texts(hostNames(d))))
	} else if p.set() && !named(p.v) {
		c.add(p.at, "role writer prefers host %q, which is not among its hosts", p.v)
	}
	for _, h := range d.hosts {
		if h.mayWrite() && !named(h.name.v) {
			c.add(h.name.at, "host %q has mode master but is not among the hosts of role writer; give it mode slave or name it there", h.name.v)
		}
	}
}

func (c *collector) checkReaderRole(d *document) {
	c.checkRoleHosts(d, "reader", d.reader)
	if p := d.reader.prefer; p.set() {
		c.add(p.at, "only role writer can prefer a host; readers are balanced by weight")
	}
}
