package vip

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
)

// The frames of this file are built and read by hand: there are four of them,
// each of one fixed shape.

const (
	etherARP  = 0x0806
	etherIPv6 = 0x86dd

	arpRequest = 1
	arpReply   = 2

	icmpSolicit   = 135
	icmpAdvertise = 136

	etherLen   = 14 // Ethernet header
	arpLen     = 28 // ARP for IPv4 over Ethernet
	ip6Len     = 40 // IPv6 header
	ndLen      = 24 // neighbour solicitation or advertisement without options
	frameShort = 60 // the shortest Ethernet frame, without its checksum

	advOverride = 0x20 // "replace what your cache says"
	optTarget   = 2    // option: link-layer address of the target
)

var (
	broadcast   = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	allNodesMAC = net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}
	allNodes    = netip.MustParseAddr("ff02::1")
	noMAC       = make(net.HardwareAddr, 6)
)

// announcements returns the frames that tell every neighbour that addr is at
// mac, and where to send them. For IPv4 these are a gratuitous request and a
// gratuitous reply, because some devices heed only the one or the other.
func announcements(mac net.HardwareAddr, addr netip.Addr) (frames [][]byte, to net.HardwareAddr) {
	if addr.Is4() {
		return [][]byte{
			arpFrame(arpRequest, mac, addr, noMAC, addr),
			arpFrame(arpReply, mac, addr, mac, addr),
		}, broadcast
	}
	return [][]byte{advertisement(mac, addr)}, allNodesMAC
}

// question returns the frame that asks who has addr without claiming it, as
// address conflict detection does (RFC 5227, RFC 4862), and where to send it.
func question(mac net.HardwareAddr, addr netip.Addr) (frame []byte, to net.HardwareAddr) {
	if addr.Is4() {
		// The sender's address is zero, so that nobody changes a cache entry.
		return arpFrame(arpRequest, mac, netip.IPv4Unspecified(), noMAC, addr), broadcast
	}
	group, groupMAC := solicitedNode(addr)
	return ndFrame(mac, groupMAC, netip.IPv6Unspecified(), group, icmpSolicit, 0, addr, nil), groupMAC
}

// answer reads a received frame and returns the hardware address that speaks for
// addr in it, or nil if the frame is about something else.
func answer(frame []byte, addr netip.Addr) net.HardwareAddr {
	if len(frame) < etherLen {
		return nil
	}
	body := frame[etherLen:]
	switch kind := binary.BigEndian.Uint16(frame[12:14]); {
	case kind == etherARP && addr.Is4() && len(body) >= arpLen:
		// A request that names addr as its sender is as good as a reply.
		if netip.AddrFrom4([4]byte(body[14:18])) == addr {
			return bytes.Clone(body[8:14])
		}
	case kind == etherIPv6 && addr.Is6() && len(body) >= ip6Len+ndLen:
		nd := body[ip6Len:]
		const nextHeader, hopLimit = 6, 7
		// A hop limit of 255 proves that the packet comes from this link.
		if body[nextHeader] == 58 && body[hopLimit] == 255 && nd[0] == icmpAdvertise &&
			netip.AddrFrom16([16]byte(nd[8:24])) == addr {
			return bytes.Clone(frame[6:12])
		}
	}
	return nil
}

// ether starts a frame.
func ether(from, to net.HardwareAddr, kind uint16) []byte {
	frame := make([]byte, 0, 128)
	frame = append(frame, to...)
	frame = append(frame, from...)
	return binary.BigEndian.AppendUint16(frame, kind)
}

// arpFrame builds a broadcast ARP frame, padded to the shortest length.
func arpFrame(op uint16, senderMAC net.HardwareAddr, sender netip.Addr, targetMAC net.HardwareAddr, target netip.Addr) []byte {
	frame := ether(senderMAC, broadcast, etherARP)
	frame = append(frame, 0, 1, 8, 0, 6, 4) // Ethernet, IPv4 and the lengths of their addresses
	frame = binary.BigEndian.AppendUint16(frame, op)
	frame = append(frame, senderMAC...)
	frame = append(frame, sender.AsSlice()...)
	frame = append(frame, targetMAC...)
	frame = append(frame, target.AsSlice()...)
	return append(frame, make([]byte, frameShort-len(frame))...)
}

// advertisement builds an unsolicited neighbour advertisement to all nodes.
func advertisement(mac net.HardwareAddr, addr netip.Addr) []byte {
	option := append([]byte{optTarget, 1}, mac...) // its length counts in units of 8 bytes
	return ndFrame(mac, allNodesMAC, addr, allNodes, icmpAdvertise, advOverride, addr, option)
}

// ndFrame builds a neighbour discovery packet with its Ethernet header.
func ndFrame(fromMAC, toMAC net.HardwareAddr, from, to netip.Addr, kind, flags byte, target netip.Addr, option []byte) []byte {
	nd := []byte{kind, 0, 0, 0, flags, 0, 0, 0}
	nd = append(nd, target.AsSlice()...)
	nd = append(nd, option...)
	binary.BigEndian.PutUint16(nd[2:], checksum(from, to, nd))

	frame := ether(fromMAC, toMAC, etherIPv6)
	frame = append(frame, 0x60, 0, 0, 0)
	frame = binary.BigEndian.AppendUint16(frame, uint16(len(nd)))
	frame = append(frame, 58, 255) // ICMPv6, hop limit
	frame = append(frame, from.AsSlice()...)
	frame = append(frame, to.AsSlice()...)
	return append(frame, nd...)
}

// solicitedNode returns the multicast group that the holder of addr listens to,
// and its hardware address.
func solicitedNode(addr netip.Addr) (netip.Addr, net.HardwareAddr) {
	a := addr.As16()
	group := netip.MustParseAddr("ff02::1:ff00:0").As16()
	copy(group[13:], a[13:])
	return netip.AddrFrom16(group), net.HardwareAddr{0x33, 0x33, 0xff, a[13], a[14], a[15]}
}

// checksum computes the checksum of an ICMPv6 message, whose own field is zero.
func checksum(from, to netip.Addr, message []byte) uint16 {
	data := append(from.AsSlice(), to.AsSlice()...)
	data = binary.BigEndian.AppendUint32(data, uint32(len(message)))
	data = append(data, 0, 0, 0, 58)
	data = append(data, message...) // every message here has an even length
	var sum uint32
	for i := 0; i < len(data); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(data[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
