package fence

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
)

// lists is the whole changeable state of the table. Each list is sorted and
// without repeats; addresses are IPv4 or IPv6, never one as the other.
type lists struct {
	deposed  []netip.AddrPort // listeners that this host must not talk to
	refused  []netip.AddrPort // a host, and our port that it must not reach
	guarded  []uint16         // ports of ours that only admitted hosts may reach
	admitted []netip.AddrPort // a host, and our guarded port that it may reach
}

// equal says whether both are the same.
func (l lists) equal(o lists) bool {
	return slices.Equal(l.deposed, o.deposed) && slices.Equal(l.refused, o.refused) &&
		slices.Equal(l.guarded, o.guarded) && slices.Equal(l.admitted, o.admitted)
}

// pairs joins each address with port.
func pairs(addrs []netip.Addr, port uint16) ([]netip.AddrPort, error) {
	if port == 0 && len(addrs) > 0 {
		return nil, fmt.Errorf("list %d addresses: port 0 is none", len(addrs))
	}
	var out []netip.AddrPort
	for _, a := range addrs {
		a = a.Unmap()
		if !a.IsValid() || a.IsUnspecified() || a.Zone() != "" {
			return nil, fmt.Errorf("list %s: not the address of a host", a)
		}
		out = append(out, netip.AddrPortFrom(a, port))
	}
	return sorted(out), nil
}

// sorted sorts in place and drops repeats.
func sorted(p []netip.AddrPort) []netip.AddrPort {
	slices.SortFunc(p, netip.AddrPort.Compare)
	return slices.Compact(p)
}

// encodePair lays out a pair as the kernel compares it: each part in network
// order, filled up to a multiple of four bytes.
func encodePair(p netip.AddrPort) []byte {
	return append(p.Addr().AsSlice(), encodePort(p.Port())...)
}

// encodePort lays out a port, filled up to four bytes.
func encodePort(port uint16) []byte {
	return append(binary.BigEndian.AppendUint16(nil, port), 0, 0)
}
