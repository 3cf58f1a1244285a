package fence

import (
	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// The functions of this file are the words that the rules are written in. Each
// stands for what it says in the language of nft.

// loopback: iifname "lo" (or oifname).
func loopback(key expr.MetaKey) []expr.Any {
	name := make([]byte, unix.IFNAMSIZ)
	copy(name, "lo")
	return []expr.Any{
		&expr.Meta{Key: key, Register: regFirst},
		&expr.Cmp{Op: expr.CmpOpEq, Register: regFirst, Data: name},
	}
}

// is: meta nfproto ipv4 (or ipv6).
func (p protocol) is() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: regFirst},
		&expr.Cmp{Op: expr.CmpOpEq, Register: regFirst, Data: []byte{p.number}},
	}
}

// isTCP: meta l4proto tcp.
func isTCP() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: regFirst},
		&expr.Cmp{Op: expr.CmpOpEq, Register: regFirst, Data: []byte{unix.IPPROTO_TCP}},
	}
}

// isReset: tcp flags & rst != 0.
func isReset() []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: regFirst, Base: expr.PayloadBaseTransportHeader, Offset: flagsOffset, Len: 1},
		&expr.Bitwise{SourceRegister: regFirst, DestRegister: regFirst, Len: 1, Mask: []byte{flagReset}, Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: regFirst, Data: []byte{0}},
	}
}

// connects: tcp flags & (fin | syn | rst | ack) == syn.
func connects() []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: regFirst, Base: expr.PayloadBaseTransportHeader, Offset: flagsOffset, Len: 1},
		&expr.Bitwise{SourceRegister: regFirst, DestRegister: regFirst, Len: 1, Mask: []byte{flagsOfOpening}, Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpEq, Register: regFirst, Data: []byte{flagSyn}},
	}
}

// portIn: tcp sport @set (or dport).
func portIn(offset uint32, set *nftables.Set) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: regFirst, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2},
		&expr.Lookup{SourceRegister: regFirst, SetName: set.Name, SetID: set.ID},
	}
}

// portNotIn: tcp sport != @set (or dport).
func portNotIn(offset uint32, set *nftables.Set) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: regFirst, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2},
		&expr.Lookup{SourceRegister: regFirst, SetName: set.Name, SetID: set.ID, Invert: true},
	}
}

// addrIn: ip saddr @set (or daddr, ip6).
func (p protocol) addrIn(offset uint32, set *nftables.Set) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: regFirst, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: p.length},
		&expr.Lookup{SourceRegister: regFirst, SetName: set.Name, SetID: set.ID},
	}
}

// addrNotIn: ip saddr != @set (or daddr, ip6).
func (p protocol) addrNotIn(offset uint32, set *nftables.Set) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: regFirst, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: p.length},
		&expr.Lookup{SourceRegister: regFirst, SetName: set.Name, SetID: set.ID, Invert: true},
	}
}

// pairIn: ip saddr . tcp sport @set (or daddr, dport, ip6).
func (p protocol) pairIn(addr, port uint32, set *nftables.Set) []expr.Any {
	return p.lookup(addr, port, set, false)
}

// pairNotIn: ip saddr . tcp sport != @set (or daddr, dport, ip6).
func (p protocol) pairNotIn(addr, port uint32, set *nftables.Set) []expr.Any {
	return p.lookup(addr, port, set, true)
}

// lookup loads an address and the port behind it and searches the set for both.
func (p protocol) lookup(addr, port uint32, set *nftables.Set, invert bool) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: regFirst, Base: expr.PayloadBaseNetworkHeader, Offset: addr, Len: p.length},
		&expr.Payload{DestRegister: p.regPort, Base: expr.PayloadBaseTransportHeader, Offset: port, Len: 2},
		&expr.Lookup{SourceRegister: regFirst, SetName: set.Name, SetID: set.ID, Invert: invert},
	}
}

// accept: accept, which is the end of this chain alone.
func accept() []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}
}

// drop: drop.
func drop() []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}
}

// reset: reject with tcp reset.
func reset() []expr.Any {
	return []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}}
}
