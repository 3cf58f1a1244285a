package fence

import (
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// tableName is the table, in the family inet, that belongs to us.
const tableName = "mmm"

// regFirst is the first of the kernel's rule registers, which have four bytes
// each. What a list is searched for lies there in a row: address, then port.
const regFirst = unix.NFT_REG32_00

// protocol is what IPv4 and IPv6 differ in.
type protocol struct {
	suffix  string // of the names of its sets
	number  byte
	pair    nftables.SetDatatype
	address nftables.SetDatatype
	length  uint32 // of an address
	saddr   uint32 // offset of the source address in the header
	daddr   uint32
	regPort uint32 // the register behind an address
}

var protocols = []protocol{
	{
		suffix: "4", number: unix.NFPROTO_IPV4, address: nftables.TypeIPAddr, length: 4, saddr: 12, daddr: 16, regPort: regFirst + 1,
		pair: nftables.MustConcatSetType(nftables.TypeIPAddr, nftables.TypeInetService),
	},
	{
		suffix: "6", number: unix.NFPROTO_IPV6, address: nftables.TypeIP6Addr, length: 16, saddr: 8, daddr: 24, regPort: regFirst + 4,
		pair: nftables.MustConcatSetType(nftables.TypeIP6Addr, nftables.TypeInetService),
	},
}

const (
	sportOffset = 0 // in the TCP header
	dportOffset = 2
	flagsOffset = 13
	flagSyn     = 0x02
	flagReset   = 0x04
	// flagsOfOpening tell the first packet of a connection from all others.
	flagsOfOpening = 0x01 | flagSyn | flagReset | 0x10
)

// table is the shape of our table: its sets, chains and rules are fixed, only
// the elements of the sets change.
type table struct {
	*nftables.Table
	in, out *nftables.Chain
	guarded *nftables.Set
	byProto []protoSets // as protocols
	rules   []*nftables.Rule
}

// protoSets are the sets of one protocol.
type protoSets struct {
	deposed, refused, admitted *nftables.Set
}

// newTable describes the table; nothing is sent. The numbers of the sets only
// have to differ within a batch; the library's own counter is not safe to use
// from several goroutines.
func newTable() *table {
	t := &table{Table: &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}}
	t.in = t.chain("in", nftables.ChainHookInput)
	t.out = t.chain("out", nftables.ChainHookOutput)
	id := uint32(0)
	set := func(name string, kind nftables.SetDatatype) *nftables.Set {
		id++
		return &nftables.Set{Table: t.Table, ID: id, Name: name, KeyType: kind, KeyByteOrder: binaryutil.BigEndian}
	}
	t.guarded = set("guarded", nftables.TypeInetService)
	for _, p := range protocols {
		t.byProto = append(t.byProto, protoSets{
			deposed:  set("deposed"+p.suffix, p.pair),
			refused:  set("refused"+p.suffix, p.pair),
			admitted: set("admitted"+p.suffix, p.pair),
		})
	}
	t.describeRules()
	return t
}

// chain describes a base chain. It comes a little before the usual filters, so
// that a packet is answered with a reset even where another table would drop it
// in silence.
func (t *table) chain(name string, hook *nftables.ChainHook) *nftables.Chain {
	policy := nftables.ChainPolicyAccept
	priority := *nftables.ChainPriorityFilter - 10
	return &nftables.Chain{
		Table: t.Table, Name: name, Type: nftables.ChainTypeFilter,
		Hooknum: hook, Priority: &priority, Policy: &policy,
	}
}

// describeRules lists the rules, in order.
func (t *table) describeRules() {
	rule := func(c *nftables.Chain, parts ...[]expr.Any) {
		t.rules = append(t.rules, &nftables.Rule{Table: t.Table, Chain: c, Exprs: slices.Concat(parts...)})
	}
	// The host itself is never cut off from itself. The resets that our own
	// rules make for local connections come in this way, too.
	rule(t.in, loopback(expr.MetaKeyIIFNAME), accept())
	rule(t.out, loopback(expr.MetaKeyOIFNAME), accept())
	// A reset ends a connection, which is all we want; and no reset is sent for
	// a reset, so that to reject one would be to drop it silently.
	rule(t.in, isTCP(), isReset(), accept())
	rule(t.out, isTCP(), isReset(), accept())
	for i, p := range protocols {
		sets := t.byProto[i]
		rule(t.in, p.is(), isTCP(), p.pairIn(p.saddr, sportOffset, sets.deposed), reset())
		rule(t.out, p.is(), isTCP(), p.pairIn(p.daddr, dportOffset, sets.deposed), reset())
		rule(t.in, p.is(), isTCP(), p.pairIn(p.saddr, dportOffset, sets.refused), reset())
		rule(t.out, p.is(), isTCP(), p.pairIn(p.daddr, sportOffset, sets.refused), reset())
		rule(t.in, p.is(), isTCP(), portIn(dportOffset, t.guarded), p.pairNotIn(p.saddr, dportOffset, sets.admitted), reset())
		rule(t.out, p.is(), isTCP(), portIn(sportOffset, t.guarded), p.pairNotIn(p.daddr, sportOffset, sets.admitted), reset())
	}
}

// content is a set and the keys of what it has to hold, in order.
type content struct {
	set  *nftables.Set
	keys [][]byte
}

// elements returns the keys in the form that the library sends.
func (c content) elements() []nftables.SetElement {
	out := make([]nftables.SetElement, 0, len(c.keys))
	for _, k := range c.keys {
		out = append(out, nftables.SetElement{Key: k})
	}
	return out
}

// contents spreads the lists over the sets, always in the same order.
func (t *table) contents(l lists) []content {
	out := []content{{set: t.guarded}}
	for _, port := range l.guarded {
		out[0].keys = append(out[0].keys, encodePort(port)[:2])
	}
	for i, p := range protocols {
		out = append(out,
			content{t.byProto[i].deposed, p.keys(l.deposed)},
			content{t.byProto[i].refused, p.keys(l.refused)},
			content{t.byProto[i].admitted, p.keys(l.admitted)},
		)
	}
	return out
}

// keys encodes the pairs of this protocol.
func (p protocol) keys(list []netip.AddrPort) [][]byte {
	var out [][]byte
	for _, pair := range list {
		if uint32(pair.Addr().BitLen()/8) == p.length {
			out = append(out, encodePair(pair))
		}
	}
	return out
}
