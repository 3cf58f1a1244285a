package vip

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const (
	// kernelTimeout bounds every exchange with the kernel, which takes some 20 us
	// when nobody holds its lock. It is far below a third of any lease.
	kernelTimeout = 300 * time.Millisecond

	// labelMax is what the kernel takes as a label (IFNAMSIZ without the zero).
	labelMax = 15

	// markMetric marks an IPv6 address as ours: "mmm" as a number.
	markMetric = 0x6d6d6d

	// dumpTries: a listing that changes while it is read is read again.
	dumpTries = 3

	ifaMsgLen = unix.SizeofIfAddrmsg
)

// HostKernel is the Kernel of the running host: routing netlink for addresses,
// packet sockets for frames. It acts in the network namespace of the thread that
// calls it first, so a process should have only one. It needs CAP_NET_ADMIN and
// CAP_NET_RAW.
type HostKernel struct {
	link  string
	label string

	mu   sync.Mutex
	conn *netlink.Conn // nil until needed, and after an error that left it unsure
	out  *sender       // nil until the first announcement
	ifi  *net.Interface
}

// NewKernel returns the Kernel for the interface named link. It fails if there
// is no such interface now; one that goes and comes back later is found again.
func NewKernel(link string) (*HostKernel, error) {
	k := &HostKernel{link: link, label: labelOf(link)}
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, err := k.index(); err != nil {
		return nil, err
	}
	return k, nil
}

// labelOf returns the label of our IPv4 addresses on link. The name of a long
// link is cut: nothing but the kernel's limit depends on its being whole, since
// labels are only looked for on that link.
func labelOf(link string) string {
	const suffix = ":mmm"
	return link[:min(len(link), labelMax-len(suffix))] + suffix
}

// sinceBoot reads the clock that goes on in a suspended machine.
func sinceBoot() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic(fmt.Sprintf("read CLOCK_BOOTTIME, which every supported kernel has: %v", err))
	}
	return time.Duration(ts.Nano())
}

// Close releases the sockets. The addresses stay.
func (k *HostKernel) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.reset()
}

// Link returns the name of the interface.
func (k *HostKernel) Link() string { return k.link }

// List returns every address of the interface.
func (k *HostKernel) List(ctx context.Context) ([]Entry, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	index, err := k.index()
	if err != nil {
		return nil, err
	}
	replies, err := k.dump(ctx)
	if err != nil {
		return nil, err
	}
	var entries []Entry
	for _, r := range replies {
		e, on, err := parseAddress(r.Data, k.label)
		if err != nil {
			return nil, err
		}
		if on == index && e.Prefix.IsValid() {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// Add puts addr up with our mark; it fails with EEXIST if it is there already.
func (k *HostKernel) Add(ctx context.Context, addr netip.Addr, life time.Duration) error {
	return k.change(ctx, unix.RTM_NEWADDR, netlink.Create|netlink.Excl, addr, life)
}

// Extend gives addr a new lifetime. If addr has gone in the meantime it is put
// up again.
func (k *HostKernel) Extend(ctx context.Context, addr netip.Addr, life time.Duration) error {
	return k.change(ctx, unix.RTM_NEWADDR, netlink.Create|netlink.Replace, addr, life)
}

// Delete takes addr down.
func (k *HostKernel) Delete(ctx context.Context, addr netip.Addr) error {
	err := k.change(ctx, unix.RTM_DELADDR, 0, addr, 0)
	if errors.Is(err, unix.EADDRNOTAVAIL) {
		return nil
	}
	return err
}

// change sends one order about addr and waits for the kernel's word on it.
func (k *HostKernel) change(ctx context.Context, kind netlink.HeaderType, flags netlink.HeaderFlags,
	addr netip.Addr, life time.Duration) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	index, err := k.index()
	if err != nil {
		return err
	}
	data, err := encodeAddress(index, addr, k.label, life)
	if err != nil {
		return err
	}
	_, err = k.execute(ctx, netlink.Message{
		Header: netlink.Header{Type: kind, Flags: netlink.Request | netlink.Acknowledge | flags},
		Data:   data,
	})
	return err
}

// dump reads all addresses of the host.
func (k *HostKernel) dump(ctx context.Context) ([]netlink.Message, error) {
	request := netlink.Message{
		Header: netlink.Header{Type: unix.RTM_GETADDR, Flags: netlink.Request | netlink.Dump},
		Data:   make([]byte, ifaMsgLen),
	}
	for range dumpTries {
		replies, err := k.execute(ctx, request)
		if err != nil {
			return nil, err
		}
		if !interrupted(replies) {
			return replies, nil
		}
	}
	return nil, fmt.Errorf("read addresses: they changed during each of %d readings", dumpTries)
}

// interrupted says whether the kernel marked a listing as possibly incomplete.
func interrupted(replies []netlink.Message) bool {
	for _, r := range replies {
		if r.Header.Flags&netlink.DumpInterrupted != 0 {
			return true
		}
	}
	return false
}

// execute exchanges one request with the kernel, with a deadline. After anything
// but a plain answer the socket is thrown away: a late answer could be taken for
// that to the next request, and the interface's number may be out of date.
func (k *HostKernel) execute(ctx context.Context, request netlink.Message) ([]netlink.Message, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if k.conn == nil {
		conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
		if err != nil {
			return nil, fmt.Errorf("open routing socket: %w", err)
		}
		k.conn = conn
	}
	if err := k.conn.SetDeadline(deadline(ctx)); err != nil {
		return nil, errors.Join(err, k.reset())
	}
	replies, err := k.conn.Execute(request)
	if err != nil && !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.EADDRNOTAVAIL) {
		return nil, errors.Join(err, k.reset())
	}
	return replies, err
}

// deadline returns when an exchange that begins now must be over.
func deadline(ctx context.Context) time.Time {
	latest := time.Now().Add(kernelTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(latest) {
		return d
	}
	return latest
}

// index returns the number of the interface, which is looked up once and again
// after every error.
func (k *HostKernel) index() (int, error) {
	if k.ifi == nil {
		ifi, err := net.InterfaceByName(k.link)
		if err != nil {
			return 0, fmt.Errorf("look up interface %s: %w", k.link, err)
		}
		k.ifi = ifi
	}
	return k.ifi.Index, nil
}

// reset closes the sockets and forgets the interface's number.
func (k *HostKernel) reset() error {
	var errs []error
	if k.conn != nil {
		errs = append(errs, k.conn.Close())
	}
	if k.out != nil {
		errs = append(errs, k.out.conn.Close())
	}
	k.conn, k.out, k.ifi = nil, nil, nil
	return errors.Join(errs...)
}

// encodeAddress builds the body of an order about addr. life 0 leaves the
// lifetime out, which is right for a deletion only.
func encodeAddress(index int, addr netip.Addr, label string, life time.Duration) ([]byte, error) {
	msg := make([]byte, ifaMsgLen)
	msg[0] = unix.AF_INET
	if addr.Is6() {
		msg[0] = unix.AF_INET6
	}
	msg[1] = byte(addr.BitLen())
	msg[3] = unix.RT_SCOPE_UNIVERSE
	binary.NativeEndian.PutUint32(msg[4:], uint32(index))

	ae := netlink.NewAttributeEncoder()
	ae.Bytes(unix.IFA_LOCAL, addr.AsSlice())
	ae.Bytes(unix.IFA_ADDRESS, addr.AsSlice())
	if addr.Is4() {
		// In a deletion the kernel spares an address with another label.
		ae.String(unix.IFA_LABEL, label)
	} else {
		// No duplicate detection: it would keep the address silent for a second,
		// and its holder was chosen by other means. No route of its own either.
		ae.Uint32(unix.IFA_FLAGS, unix.IFA_F_NODAD|unix.IFA_F_NOPREFIXROUTE)
		ae.Uint32(unix.IFA_RT_PRIORITY, markMetric)
	}
	if life > 0 {
		// Preferred for no time at all: the host's own connections, such as those
		// of a replica to its source, must not start from an address that moves.
		info := make([]byte, unix.SizeofIfaCacheinfo)
		binary.NativeEndian.PutUint32(info[0:], 0)
		binary.NativeEndian.PutUint32(info[4:], uint32(life/time.Second))
		ae.Bytes(unix.IFA_CACHEINFO, info)
	}
	attrs, err := ae.Encode()
	if err != nil {
		return nil, fmt.Errorf("encode order about %s: %w", addr, err)
	}
	return append(msg, attrs...), nil
}

// parseAddress reads one address from a listing and the number of its interface.
func parseAddress(data []byte, label string) (e Entry, index int, err error) {
	if len(data) < ifaMsgLen {
		return e, 0, fmt.Errorf("parse address: %d bytes are too few", len(data))
	}
	bits := int(data[1])
	index = int(binary.NativeEndian.Uint32(data[4:]))
	attrs, err := netlink.NewAttributeDecoder(data[ifaMsgLen:])
	if err != nil {
		return e, 0, fmt.Errorf("parse address: %w", err)
	}
	var local, address netip.Addr
	mark := false
	for attrs.Next() {
		switch attrs.Type() {
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(attrs.Bytes())
		case unix.IFA_ADDRESS:
			address, _ = netip.AddrFromSlice(attrs.Bytes())
		case unix.IFA_LABEL:
			mark = mark || attrs.String() == label
		case unix.IFA_RT_PRIORITY:
			mark = mark || data[0] == unix.AF_INET6 && attrs.Uint32() == markMetric
		case unix.IFA_CACHEINFO:
			e.Left = lifetime(attrs.Bytes())
		}
	}
	if err := attrs.Err(); err != nil {
		return e, 0, fmt.Errorf("parse address: %w", err)
	}
	if !local.IsValid() { // IPv6, unless it is one end of a pair
		local = address
	}
	e.Prefix = netip.PrefixFrom(local, bits)
	e.Marked = mark && e.Prefix.IsSingleIP()
	return e, index, nil
}

// lifetime reads the rest of the valid lifetime; 0 is for ever.
func lifetime(cacheinfo []byte) time.Duration {
	if len(cacheinfo) < 8 {
		return 0
	}
	seconds := binary.NativeEndian.Uint32(cacheinfo[4:])
	if seconds == ^uint32(0) {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
