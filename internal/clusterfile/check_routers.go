package clusterfile

import (
	"net/netip"

	"github.com/goccy/go-yaml/token"
)

// checkRouters looks at the routers. Their names and addresses are theirs alone:
// a name is how an agent says who it is, and a router on a database host would
// have two agents change the same addresses and the same packet filter.
func (c *collector) checkRouters(d *document) {
	r := d.routers
	if len(r.hosts) == 0 {
		if len(r.vips) > 0 {
			c.add(r.vips[0].at, "routers have a VIP but no hosts; list the machines that run mmmrouter, as in hosts: [{name: router1, address: 192.0.2.171}]")
		}
		return
	}
	names, addresses := map[string]*token.Token{}, map[netip.Addr]*token.Token{}
	for _, h := range d.hosts {
		names[h.name.v], addresses[h.address.v] = h.name.at, h.address.at
	}
	for _, h := range r.hosts {
		c.checkRouter(d, h, names, addresses)
	}
	if l := r.listen(); l.RW == l.RO {
		c.add(firstSet(r.ro.at, r.rw.at, r.at), "rw and ro of routers are both %d; reads alone and reads with writes need a listener each", l.RW)
	}
}

// checkRouter looks at one, and notes its name and address.
func (c *collector) checkRouter(d *document, h host, names map[string]*token.Token, addresses map[netip.Addr]*token.Token) {
	switch {
	case !h.name.given():
		if !c.problemOnLineOf(h.at) {
			c.add(h.at, "this router has no name")
		}
	case h.name.set() && !label.MatchString(h.name.v):
		c.add(h.name.at, "%q cannot be a router's name; use letters, digits, '-', '_' and '.'", h.name.v)
	}
	if !h.address.given() && !c.problemOnLineOf(h.at) {
		c.add(h.at, "router %q has no address", h.name.v)
	}
	if first := names[h.name.v]; h.name.set() && first != nil {
		c.add(h.name.at, "the name %q of a router is used twice, first at [%d:%d]", h.name.v, first.Position.Line, first.Position.Column)
	}
	if first := addresses[h.address.v]; h.address.set() && first != nil {
		c.add(h.address.at, "the address %s of a router is used twice, first at [%d:%d]; a router needs a machine of its own", h.address.v, first.Position.Line, first.Position.Column)
	}
	if i := firstValue(h.iface, d.defaults.iface); i.set() && (i.v == "" || len(i.v) > 15) {
		c.add(i.at, "%q cannot be a network interface; names have 1 to 15 bytes", i.v)
	}
	names[h.name.v], addresses[h.address.v] = h.name.at, h.address.at
}
