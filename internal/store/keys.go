package store

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/mmm-ha/mmm/topology"
)

// root is where all clusters live.
const root = "/mmm/"

// KeyDoc describes one kind of key. The table of them is the source of
// docs/keys.md.
type KeyDoc struct {
	Path     string // below /mmm/<cluster>/
	Value    string // Go type of the JSON value
	Writer   string // the ONE kind of writer
	Leased   bool   // vanishes with its writer's lease
	Guard    string // what every write of it names
	Required bool   // unreadable: nothing can be judged, the whole load is an error
	About    string
}

// kind is one row of the key table: what the documents say and how a snapshot
// takes the value in. A nil set means that snapshots leave the key out.
type kind struct {
	KeyDoc
	set setter
}

// family is the first part of the path, which tells the kinds apart.
func (k kind) family() string {
	name, _, _ := strings.Cut(k.Path, "/")
	return name
}

// many reports whether the path goes on after the family.
func (k kind) many() bool { return strings.Contains(k.Path, "/") }

// kinds is the table of all keys. Nothing else in the program knows one.
var kinds = []kind{
	{KeyDoc{Path: "spec", Value: "topology.Spec", Writer: "mmmctl apply", Guard: "its revision", Required: true,
		About: "The cluster file: hosts, roles, VIPs, timings, policies."},
		single(func(c *topology.Cluster) *topology.Entry[topology.Spec] { return &c.Spec })},
	{KeyDoc{Path: "mode", Value: "topology.ModeSetting", Writer: "mmmctl", Guard: "its revision",
		About: "How much the cluster does by itself; absent means ACTIVE, unreadable counts as PASSIVE."},
		setMode},
	{KeyDoc{Path: "intent/<name>", Value: "topology.Intent", Writer: "mmmctl", Guard: "its revision",
		About: "Whether the operator wants the host online or offline; absent means online."},
		many(asName, func(c *topology.Cluster) *map[string]topology.Entry[topology.Intent] { return &c.Intents })},
	{KeyDoc{Path: "hosts/<id>", Value: "topology.Report", Writer: "the host's agent", Leased: true, Guard: "absent, or on the own lease at its revision",
		About: "What a live host says of itself: facts, never verdicts."},
		many(asHost, func(c *topology.Cluster) *map[topology.HostID]topology.Entry[topology.Report] { return &c.Hosts })},
	{KeyDoc{Path: "memory/<name>", Value: "topology.Memory", Writer: "the host's agent", Guard: "its revision",
		About: "What must survive the agent: which mysqld is trusted, how often the host flapped."},
		many(asName, func(c *topology.Cluster) *map[string]topology.Entry[topology.Memory] { return &c.Memories })},
	{KeyDoc{Path: "writer", Value: "topology.Writer", Writer: "the elected host", Leased: true, Guard: "absent and everything the election rests on; or the old epoch, when it is handed over", Required: true,
		About: "Who reigns. Put exactly once per reign; its revision is the epoch."},
		single(func(c *topology.Cluster) *topology.Entry[topology.Writer] { return &c.Writer })},
	{KeyDoc{Path: "phase", Value: "topology.Phase", Writer: "the writer", Leased: true, Guard: "the epoch and its revision",
		About: "How far the reign has come, and of which mysqld. Put first together with writer, then with epoch 0, which means the epoch of that very transaction."},
		single(func(c *topology.Cluster) *topology.Entry[topology.Phase] { return &c.Phase })},
	{KeyDoc{Path: "reign", Value: "topology.Reign", Writer: "the writer", Guard: "the epoch and its revision", Required: true,
		About: "The last reign that opened, and who could acknowledge in it: the proof of the next election."},
		single(func(c *topology.Cluster) *topology.Entry[topology.Reign] { return &c.Reign })},
	{KeyDoc{Path: "bids/<id>", Value: "topology.Bid", Writer: "the host's agent", Leased: true, Guard: "no writer; absent, or on the own lease at its revision",
		About: "What a host holds, with its IO thread stopped, while there is no writer."},
		many(asHost, func(c *topology.Cluster) *map[topology.HostID]topology.Entry[topology.Bid] { return &c.Bids })},
	{KeyDoc{Path: "readers/<vip>", Value: "topology.Claim", Writer: "the host that serves the VIP", Leased: true, Guard: "absent; to give it up its revision",
		About: "Which host answers for a reader VIP."},
		many(asVIP, func(c *topology.Cluster) *map[netip.Addr]topology.Entry[topology.Claim] { return &c.Claims })},
	{KeyDoc{Path: "routers/<id>", Value: "topology.RouterReport", Writer: "the agent beside the router", Leased: true, Guard: "absent, or on the own lease at its revision",
		About: "Which mmmrouter is there, and whether it answers."},
		many(asHost, func(c *topology.Cluster) *map[topology.HostID]topology.Entry[topology.RouterReport] {
			return &c.Routers
		})},
	{KeyDoc{Path: "router-vips/<vip>", Value: "topology.Claim", Writer: "the agent beside the router that serves the VIP", Leased: true, Guard: "absent; to give it up its revision",
		About: "Which router's host answers for a router VIP."},
		many(asVIP, func(c *topology.Cluster) *map[netip.Addr]topology.Entry[topology.Claim] { return &c.RouterClaims })},
	{KeyDoc{Path: "holds/<run>", Value: "topology.RouterHold", Writer: "the mmmrouter", Leased: true, Guard: "absent, or on the own lease at its revision",
		About: "Which mmmrouters carry clients, and for which planned switchover they hold statements back."},
		many(asName, func(c *topology.Cluster) *map[string]topology.Entry[topology.RouterHold] { return &c.Holds })},
	{KeyDoc{Path: "pins/<vip>", Value: "topology.Pin", Writer: "mmmctl", Guard: "its revision",
		About: "Where the operator wants a VIP to be."},
		many(asVIP, func(c *topology.Cluster) *map[netip.Addr]topology.Entry[topology.Pin] { return &c.Pins })},
	{KeyDoc{Path: "rejoin/<name>", Value: "topology.RejoinOrder", Writer: "mmmctl asks, and may take it back; the host's agent deletes it", Guard: "its revision",
		About: "An operator orders a host brought back that cannot follow by itself."},
		many(asName, func(c *topology.Cluster) *map[string]topology.Entry[topology.RejoinOrder] { return &c.Rejoins })},
	{KeyDoc{Path: "switchover", Value: "topology.Switchover", Writer: "mmmctl asks; the writer, then the target, advance it", Guard: "its revision and the epoch",
		About: "One order of the operator and how far it is."},
		single(func(c *topology.Cluster) *topology.Entry[topology.Switchover] { return &c.Switchover })},
	{KeyDoc{Path: "tombstones/<epoch>", Value: "topology.Tombstone", Writer: "the host that is elected by an accepted loss; then each writer", Guard: "its revision, with all that the campaign rests on, or the epoch", Required: true,
		About: "The end of a reign was given up: which hosts may hold acknowledged writes that nobody else has."},
		many(asEpoch, func(c *topology.Cluster) *map[topology.Rev]topology.Entry[topology.Tombstone] { return &c.Tombstones })},
	{KeyDoc{Path: "recovery", Value: "topology.Recovered", Writer: "mmmctl recover-etcd", Guard: "its revision",
		About: "Says that an etcd that went back to an older state may be believed again: by its own revision, which is above all that was seen."},
		single(func(c *topology.Cluster) *topology.Entry[topology.Recovered] { return &c.Recovery })},
	{KeyDoc{Path: "events/<unix-ns>-<actor>", Value: "topology.Event", Writer: "whoever acted", Guard: "absent; to trim it its revision",
		About: "What was decided, why and by whom; each actor keeps its own newest 200."},
		nil},
}

// Keys describes every key below /mmm/<cluster>/, in the order of the documents.
func Keys() []KeyDoc {
	docs := make([]KeyDoc, 0, len(kinds))
	for _, k := range kinds {
		docs = append(docs, k.KeyDoc)
	}
	return docs
}

// The paths below /mmm/<cluster>/.
const (
	specKey       = "spec"
	modeKey       = "mode"
	writerKey     = "writer"
	phaseKey      = "phase"
	reignKey      = "reign"
	switchoverKey = "switchover"
	recoveryKey   = "recovery"
	eventsDir     = "events/"
	eventsEnd     = "events0" // '0' follows '/'
)

func intentKey(name string) string         { return "intent/" + name }
func memoryKey(name string) string         { return "memory/" + name }
func rejoinKey(name string) string         { return "rejoin/" + name }
func hostKey(id topology.HostID) string    { return "hosts/" + string(id) }
func bidKey(id topology.HostID) string     { return "bids/" + string(id) }
func readerKey(vip netip.Addr) string      { return "readers/" + vip.String() }
func routerKey(id topology.HostID) string  { return "routers/" + string(id) }
func routerVIPKey(vip netip.Addr) string   { return "router-vips/" + vip.String() }
func holdKey(run string) string            { return "holds/" + run }
func pinKey(vip netip.Addr) string         { return "pins/" + vip.String() }
func tombKey(epoch topology.Rev) string    { return fmt.Sprintf("tombstones/%d", epoch) }
func eventKey(ns int64, who string) string { return fmt.Sprintf("%s%019d-%s", eventsDir, ns, who) }

// kindOf finds the row of a key and the rest of its path. The second result is
// false for a key that is in no row: a name with a slash, or an empty one.
func kindOf(key string) (kind, string, bool) {
	family, rest, deep := strings.Cut(key, "/")
	for _, k := range kinds {
		if k.family() != family || k.many() != deep {
			continue
		}
		return k, rest, !deep || rest != "" && !strings.Contains(rest, "/")
	}
	return kind{}, "", false
}

func asName(text string) (string, error)          { return text, nil }
func asHost(text string) (topology.HostID, error) { return topology.HostID(text), nil }

func asEpoch(text string) (topology.Rev, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	return topology.Rev(n), err
}

// asVIP takes only the canonical spelling, so that one VIP is one key.
func asVIP(text string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return addr, err
	}
	if addr.String() != text {
		return addr, fmt.Errorf("address is spelled %s", addr)
	}
	return addr, nil
}
