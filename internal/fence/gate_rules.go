package fence

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"
)

// gateName is the name of the gate's two tables, one of the family inet and one
// of the family arp. They are apart from the table of the lists, which is
// replaced as a whole when an agent starts.
const gateName = "mmm_gate"

// gateTables is the shape of the gate: sets, chains and rules are fixed, only
// the elements of the sets change. Chains, sets and rules name their table.
type gateTables struct {
	inet, arp *nftables.Table
	chains    []*nftables.Chain
	rules     []*nftables.Rule
	early     *nftables.Chain // the one of chains that not every kernel takes

	port, open, peer *nftables.Set
	byProto          []gateSets // as protocols
	arpVIPs          *nftables.Set
	arpServed        *nftables.Set
}

// gateSets are the sets of one protocol.
type gateSets struct {
	peers, vips, served, left *nftables.Set
}

// newGateTables describes the tables; nothing is sent.
func newGateTables() *gateTables {
	t := &gateTables{
		inet: &nftables.Table{Name: gateName, Family: nftables.TableFamilyINet},
		arp:  &nftables.Table{Name: gateName, Family: nftables.TableFamilyARP},
	}
	id := uint32(0)
	set := func(table *nftables.Table, name string, kind nftables.SetDatatype, timed bool, comment string) *nftables.Set {
		id++
		return &nftables.Set{Table: table, ID: id, Name: name, KeyType: kind, KeyByteOrder: binaryutil.BigEndian, HasTimeout: timed, Comment: comment}
	}
	const vips = "virtual addresses of the cluster"
	const served = "those that this host answers for, until the lease ends"
	t.port = set(t.inet, "port", nftables.TypeInetService, false, "the port that clients use")
	t.open = set(t.inet, "open", nftables.TypeInetService, true, "the client port while it is open: until the lease ends, or without end for readers only")
	t.peer = set(t.inet, "peer", nftables.TypeInetService, false, "the port that replicas use")
	for _, p := range protocols {
		t.byProto = append(t.byProto, gateSets{
			peers:  set(t.inet, "peers"+p.suffix, p.address, false, "hosts of the cluster"),
			vips:   set(t.inet, "vips"+p.suffix, p.address, false, vips),
			served: set(t.inet, "served"+p.suffix, p.address, true, served),
			left:   set(t.inet, "left"+p.suffix, p.address, true, "those that this host answers for, or did a moment ago"),
		})
	}
	t.arpVIPs = set(t.arp, "vips4", nftables.TypeIPAddr, false, vips)
	t.arpServed = set(t.arp, "served4", nftables.TypeIPAddr, true, served)
	t.describe()
	return t
}

// chain describes a base chain. It comes before the usual filters and before
// our own lists: what is closed is closed.
func (t *gateTables) chain(table *nftables.Table, name string, hook *nftables.ChainHook) *nftables.Chain {
	policy := nftables.ChainPolicyAccept
	priority := *nftables.ChainPriorityFilter - 20
	c := &nftables.Chain{Table: table, Name: name, Type: nftables.ChainTypeFilter, Hooknum: hook, Priority: &priority, Policy: &policy}
	t.chains = append(t.chains, c)
	return c
}

// describe lists the rules, in order. There is no exception for loopback on the
// client port: an application on this host is a client like any other (R7).
func (t *gateTables) describe() {
	in := t.chain(t.inet, "in", nftables.ChainHookInput)
	out := t.chain(t.inet, "out", nftables.ChainHookOutput)
	t.early = t.chain(t.inet, "early", nftables.ChainHookPrerouting)
	arp := t.chain(t.arp, "out", nftables.ChainHookRef(arpOutput))
	rule := func(c *nftables.Chain, comment string, parts ...[]expr.Any) {
		t.rules = append(t.rules, &nftables.Rule{
			Table: c.Table, Chain: c, Exprs: slices.Concat(parts...),
			UserData: userdata.AppendString(nil, userdata.TypeComment, comment),
		})
	}
	// Without these our own resets would be dropped, and connections that are cut
	// would hang instead of ending.
	rule(in, "resets end connections", isTCP(), isReset(), accept())
	rule(out, "resets end connections", isTCP(), isReset(), accept())
	rule(in, "clients while the port is closed", isTCP(), portIn(dportOffset, t.port), portNotIn(dportOffset, t.open), reset())
	rule(out, "answers to clients while the port is closed", isTCP(), portIn(sportOffset, t.port), portNotIn(sportOffset, t.open), reset())
	rule(in, "this host's own replication and administration", loopback(expr.MetaKeyIIFNAME), isTCP(), portIn(dportOffset, t.peer), accept())
	for i, p := range protocols {
		s := t.byProto[i]
		rule(in, "strangers on the replication port", p.is(), isTCP(), portIn(dportOffset, t.peer), p.addrNotIn(p.saddr, s.peers), reset())
		// A first packet that gets no answer is sent again after a second; one that is
		// refused, at once. What is established gets no reset: it may still hear the
		// goodbye of its server. The address itself may be gone before the next holder
		// has told the neighbours, and then a packet comes no further than the early chain.
		rule(in, "who connects to a virtual address that is not this host's now", p.is(), isTCP(), connects(), p.addrIn(p.daddr, s.vips), p.addrNotIn(p.daddr, s.served), reset())
		rule(t.early, "who connects to a virtual address that was this host's a moment ago", p.is(), isTCP(), connects(), p.addrIn(p.daddr, s.left), p.addrNotIn(p.daddr, s.served), reset())
		rule(in, "virtual addresses that are not this host's now", p.is(), p.addrIn(p.daddr, s.vips), p.addrNotIn(p.daddr, s.served), drop())
	}
	six := t.byProto[1]
	rule(in, "who has a virtual address that is not this host's now", neighbour(icmpSolicit), target(), isIn(six.vips), notIn(six.served), drop())
	rule(out, "claims to a virtual address that is not this host's now", neighbour(icmpAdvertise), target(), isIn(six.vips), notIn(six.served), drop())
	rule(arp, "claims to a virtual address that is not this host's now", arpSender(), isIn(t.arpVIPs), notIn(t.arpServed), drop())
}

// withoutEarly leaves out what kernels before 5.10 refuse: a reset in front of routing.
func (t *gateTables) withoutEarly() *gateTables {
	t.chains = slices.DeleteFunc(t.chains, func(c *nftables.Chain) bool { return c == t.early })
	t.rules = slices.DeleteFunc(t.rules, func(r *nftables.Rule) bool { return r.Chain == t.early })
	return t
}

// element is something that the gate lets pass, and until when on the gate's
// clock; forever is without end.
type element struct {
	key   []byte
	until time.Duration
}

// forever is the deadline of what has none.
const forever = time.Duration(1<<63 - 1)

// encode gives elements the lifetimes that they have at now.
func encode(elements []element, now time.Duration) []nftables.SetElement {
	out := make([]nftables.SetElement, 0, len(elements))
	for _, e := range elements {
		s := nftables.SetElement{Key: e.key}
		if e.until != forever {
			s.Timeout = e.until - now
		}
		out = append(out, s)
	}
	return out
}

// fixed is a set whose elements follow from the layout alone.
type fixed struct {
	set  *nftables.Set
	keys [][]byte
}

// contents spreads a layout over its sets, always in the same order.
func (t *gateTables) contents(l Layout) []fixed {
	var peer [][]byte
	if l.Peer != 0 {
		peer = [][]byte{portKey(l.Peer)}
	}
	out := []fixed{{t.port, [][]byte{portKey(l.Port)}}, {t.peer, peer}} // port 0, which nobody has, stands for none
	for i, p := range protocols {
		out = append(out, fixed{t.byProto[i].peers, p.addrKeys(l.Peers)}, fixed{t.byProto[i].vips, p.addrKeys(l.VIPs)})
	}
	return append(out, fixed{t.arpVIPs, protocols[0].addrKeys(l.VIPs)})
}

// servedSets are the sets that let this host answer for addresses, with the
// protocol of each.
func (t *gateTables) servedSets() []servedSet {
	return []servedSet{
		{t.byProto[0].served, protocols[0]}, {t.byProto[1].served, protocols[1]}, {t.arpServed, protocols[0]},
	}
}

type servedSet struct {
	set *nftables.Set
	protocol
}

func portKey(p uint16) []byte { return binary.BigEndian.AppendUint16(nil, p) }

// addrKeys encodes the addresses of this protocol, in order.
func (p protocol) addrKeys(addrs []netip.Addr) [][]byte {
	var out [][]byte
	for _, a := range addrs {
		if uint32(a.BitLen()/8) == p.length {
			out = append(out, a.AsSlice())
		}
	}
	return out
}

const (
	arpOutput     = 1 // the hook; other families number theirs differently
	icmpSolicit   = 135
	icmpAdvertise = 136
	targetOffset  = 8  // of the address that a neighbour message is about
	senderOffset  = 14 // of the sender's address in an ARP message over Ethernet
)

// neighbour: icmpv6 type 135 (or 136).
func neighbour(kind byte) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: regFirst},
		&expr.Cmp{Op: expr.CmpOpEq, Register: regFirst, Data: []byte{unix.IPPROTO_ICMPV6}},
		&expr.Payload{DestRegister: regFirst, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: regFirst, Data: []byte{kind}},
	}
}

// target loads @th,64,128.
func target() []expr.Any {
	return []expr.Any{&expr.Payload{DestRegister: regFirst, Base: expr.PayloadBaseTransportHeader, Offset: targetOffset, Len: 16}}
}

// arpSender loads arp saddr ip.
func arpSender() []expr.Any {
	return []expr.Any{&expr.Payload{DestRegister: regFirst, Base: expr.PayloadBaseNetworkHeader, Offset: senderOffset, Len: 4}}
}

// isIn searches a set for what was loaded.
func isIn(set *nftables.Set) []expr.Any {
	return []expr.Any{&expr.Lookup{SourceRegister: regFirst, SetName: set.Name, SetID: set.ID}}
}

// notIn holds when a set does not have what was loaded.
func notIn(set *nftables.Set) []expr.Any {
	return []expr.Any{&expr.Lookup{SourceRegister: regFirst, SetName: set.Name, SetID: set.ID, Invert: true}}
}
