package clusterfile

import (
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/mmm-ha/mmm/topology"
)

// APIVersion is the only version of the format that this package reads.
const APIVersion = "mmm/v1"

// document is the file as it was written: every value with its place, nothing
// filled in.
type document struct {
	at          *token.Token
	apiVersion  value[string]
	cluster     value[string]
	defaults    host // only ports and interface
	hosts       []host
	hostsAt     *token.Token
	writer      role
	reader      role
	timing      timing
	durability  value[string]
	recovery    recovery
	checks      checks
	replication value[string] // mysql.replicationUser
	routers     routers
}

// routers is the section of the same name. Of each host only name, address and
// interface can be said.
type routers struct {
	at    *token.Token
	hosts []host
	vips  []value[netip.Addr]
	rw    value[int]
	ro    value[int]
}

type host struct {
	at              *token.Token
	name            value[string]
	address         value[netip.Addr]
	mode            value[string]
	priority        value[int]
	weight          value[int]
	port            value[int]
	replicationPort value[int]
	iface           value[string]
	tags            []value[string]
}

type role struct {
	mode   value[string]
	vips   []value[netip.Addr]
	hosts  []value[string]
	prefer value[string]
}

type timing struct {
	profile    value[string]
	ttl        value[topology.Duration]
	probe      value[topology.Duration]
	probeLimit value[topology.Duration]
	misses     value[int]
	disk       value[topology.Duration]
}

type recovery struct {
	autoSetOnline value[topology.Duration]
	flapCount     value[int]
	flapDuration  value[topology.Duration]
	rejoin        value[string]
	cloneRate     value[int]
}

type checks struct {
	backlogMax value[topology.Duration]
	backlogFor value[int]
	threadsFor value[int]
}

// Parse reads a cluster file, checks it and fills in the defaults. The name is
// only used in messages. The error is an *Error that lists everything wrong
// with the file; Spec is then empty. Spec.ID is not part of the file and stays
// empty.
func Parse(name string, data []byte) (topology.Spec, error) {
	c := &collector{}
	doc := c.document(data)
	if err := c.err(name, data); err != nil && doc == nil {
		return topology.Spec{}, err
	}
	c.check(doc)
	if err := c.err(name, data); err != nil {
		return topology.Spec{}, err
	}
	return doc.spec(), nil
}

// document reads the file's text; nil means that it is not even YAML.
func (c *collector) document(data []byte) *document {
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		var syntax yaml.Error
		if errors.As(err, &syntax) {
			c.add(syntax.GetToken(), "%s", inPlainWords(syntax.GetMessage()))
		} else {
			c.add(nil, "%v", err)
		}
		return nil
	}
	var bodies []ast.Node
	for _, d := range file.Docs {
		if d.Body != nil {
			bodies = append(bodies, d.Body)
		}
	}
	switch len(bodies) {
	case 0:
		c.add(nil, "the file is empty")
		return nil
	case 1:
		return c.root(bodies[0])
	default:
		c.add(place(bodies[1]), "a second document starts here; one file holds one cluster")
		return c.root(bodies[0])
	}
}

func (c *collector) root(n ast.Node) *document {
	d := &document{}
	d.at = c.mapping(n,
		field{"apiVersion", c.word(&d.apiVersion, "apiVersion", APIVersion)},
		field{"cluster", c.text(&d.cluster)},
		field{"defaults", func(n ast.Node) { c.mapping(n, c.ports(&d.defaults)...) }},
		field{"hosts", func(n ast.Node) {
			d.hostsAt = n.GetToken()
			c.list(func(n ast.Node) { d.hosts = append(d.hosts, c.host(n)) })(n)
		}},
		field{"roles", func(n ast.Node) {
			c.mapping(n,
				field{"writer", c.role(&d.writer, "exclusive", "the writer is one host at a time")},
				field{"reader", c.role(&d.reader, "balanced", "readers share their addresses")})
		}},
		field{"timing", c.timing(&d.timing)},
		field{"durability", c.durability(&d.durability)},
		field{"recovery", func(n ast.Node) {
			c.mapping(n,
				field{"autoSetOnline", c.duration(&d.recovery.autoSetOnline, "autoSetOnline", 0, 24*time.Hour)},
				field{"flapCount", c.number(&d.recovery.flapCount, "flapCount", 0, 1000)},
				field{"flapDuration", c.duration(&d.recovery.flapDuration, "flapDuration", time.Second, 30*24*time.Hour)},
				field{"rejoin", c.word(&d.recovery.rejoin, "rejoin", string(topology.RejoinRewind), string(topology.RejoinReclone), string(topology.RejoinManual))},
				field{"cloneRate", c.number(&d.recovery.cloneRate, "cloneRate", 0, 1_000_000)})
		}},
		field{"checks", func(n ast.Node) {
			c.mapping(n,
				field{"backlogMax", c.duration(&d.checks.backlogMax, "backlogMax", 100*time.Millisecond, 24*time.Hour)},
				field{"backlogFor", c.number(&d.checks.backlogFor, "backlogFor", 1, 1000)},
				field{"threadsFor", c.number(&d.checks.threadsFor, "threadsFor", 1, 1000)})
		}},
		field{"mysql", func(n ast.Node) {
			c.mapping(n, field{"replicationUser", c.text(&d.replication)})
		}},
		field{"routers", c.routers(&d.routers)},
	)
	return d
}

// ports are the fields that defaults and hosts have in common.
func (c *collector) ports(h *host) []field {
	return []field{
		{"port", c.number(&h.port, "port", 1, 65535)},
		{"replicationPort", c.number(&h.replicationPort, "replicationPort", 1, 65535)},
		{"interface", c.text(&h.iface)},
	}
}

func (c *collector) host(n ast.Node) host {
	var h host
	h.at = c.mapping(n, append([]field{
		{"name", c.text(&h.name)},
		{"address", c.addr(&h.address)},
		{"mode", c.word(&h.mode, "mode", string(topology.Master), string(topology.Slave))},
		{"priority", c.number(&h.priority, "priority", 0, 1000)},
		{"weight", c.number(&h.weight, "weight", 1, 1000)},
		{"tags", c.texts(&h.tags)},
	}, c.ports(&h)...)...)
	return h
}

// routers reads who runs mmmrouter.
func (c *collector) routers(r *routers) func(ast.Node) {
	return func(n ast.Node) {
		r.at = c.mapping(n,
			field{"hosts", c.list(func(n ast.Node) {
				var h host
				h.at = c.mapping(n, field{"name", c.text(&h.name)}, field{"address", c.addr(&h.address)}, field{"interface", c.text(&h.iface)})
				r.hosts = append(r.hosts, h)
			})},
			field{"vips", c.addrs(&r.vips)},
			field{"listen", func(n ast.Node) {
				c.mapping(n, field{"rw", c.number(&r.rw, "rw", 1, 65535)}, field{"ro", c.number(&r.ro, "ro", 1, 65535)})
			}})
	}
}

// role reads a role; its mode may be said, but there is only one that it can have.
func (c *collector) role(r *role, mode, because string) func(ast.Node) {
	return func(n ast.Node) {
		c.mapping(n,
			field{"mode", c.text(&r.mode)},
			field{"vips", c.addrs(&r.vips)},
			field{"hosts", c.texts(&r.hosts)},
			field{"prefer", c.text(&r.prefer)})
		if r.mode.set() && r.mode.v != mode {
			c.add(r.mode.at, "unknown mode %q of this role; write %s: %s", r.mode.v, mode, because)
		}
	}
}

// durability reads a word. Other systems have a number of acknowledgements there,
// which is refused with the cause and not as a wrong kind of value.
func (c *collector) durability(dst *value[string]) func(ast.Node) {
	return func(n ast.Node) {
		told := false
		switch m := n.(type) {
		case *ast.MappingNode, *ast.MappingValueNode:
			pairs, _ := c.pairs(m)
			for _, p := range pairs {
				if key := p.Key.GetToken(); countsAcks(key.Value) {
					c.add(key, "%s", oneAck(key.Value))
					told = true
				}
			}
		case *ast.IntegerNode:
			c.add(place(n), "%s", oneAck("durability: "+n.GetToken().Value))
			told = true
		}
		if told {
			*dst = value[string]{at: n.GetToken(), bad: true}
			return
		}
		c.text(dst)(n)
	}
}

func (c *collector) timing(t *timing) func(ast.Node) {
	return func(n ast.Node) {
		c.mapping(n,
			field{"profile", c.word(&t.profile, "profile", "lan", "fast", "wan")},
			field{"ttl", c.duration(&t.ttl, "ttl", time.Second, time.Minute)},
			field{"probe", c.duration(&t.probe, "probe", 10*time.Millisecond, 10*time.Second)},
			field{"probeLimit", c.duration(&t.probeLimit, "probeLimit", 10*time.Millisecond, 30*time.Second)},
			field{"misses", c.number(&t.misses, "misses", 1, 100)},
			field{"disk", c.duration(&t.disk, "disk", time.Second, 10*time.Minute)})
	}
}

// inPlainWords replaces the parser's sentences that do not help.
func inPlainWords(message string) string {
	if strings.Contains(message, "found character '\t'") {
		return "a tab cannot indent YAML; use spaces"
	}
	return message
}
