package vip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
)

// sender is the socket for announcements. It is kept open, because closing a
// packet socket waits for all processors (milliseconds), and it is bound to no
// protocol, so that nothing is ever queued to it.
type sender struct {
	conn  *packet.Conn
	index int
}

// Announce sends the announcements of addr once. It is a no-op on an interface
// without a hardware address (a tunnel, loopback): there is nobody to tell.
func (k *HostKernel) Announce(ctx context.Context, addr netip.Addr) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	// Looked up each time: the hardware address of a bond can change.
	ifi, err := net.InterfaceByName(k.link)
	if err != nil {
		return fmt.Errorf("look up interface %s: %w", k.link, err)
	}
	if !hasNeighbours(ifi) {
		return nil
	}
	if k.out == nil || k.out.index != ifi.Index {
		if err := k.reset(); err != nil {
			return err
		}
		conn, err := packet.Listen(ifi, packet.Raw, 0, nil)
		if err != nil {
			return fmt.Errorf("open packet socket: %w", err)
		}
		k.out = &sender{conn: conn, index: ifi.Index}
	}
	if err := k.out.conn.SetWriteDeadline(deadline(ctx)); err != nil {
		return err
	}
	frames, to := announcements(ifi.HardwareAddr, addr)
	for _, f := range frames {
		if _, err := k.out.conn.WriteTo(f, &packet.Addr{HardwareAddr: to}); err != nil {
			return fmt.Errorf("send announcement: %w", err)
		}
	}
	return nil
}

// Probe asks once who has addr and returns the hardware address of the first
// answer that does not come from this interface, or nil after wait. It has a
// socket of its own, so that it holds up nobody.
func (k *HostKernel) Probe(ctx context.Context, addr netip.Addr, wait time.Duration) (net.HardwareAddr, error) {
	ifi, err := net.InterfaceByName(k.link)
	if err != nil {
		return nil, fmt.Errorf("look up interface %s: %w", k.link, err)
	}
	if !hasNeighbours(ifi) {
		return nil, nil
	}
	protocol, filter := etherARP, []bpf.RawInstruction(nil)
	if addr.Is6() {
		protocol, filter = etherIPv6, onlyAdvertisements
	}
	conn, err := packet.Listen(ifi, packet.Raw, protocol, &packet.Config{Filter: filter})
	if err != nil {
		return nil, fmt.Errorf("open packet socket: %w", err)
	}
	err = conn.SetDeadline(time.Now().Add(wait))
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	var mac net.HardwareAddr
	if err == nil {
		mac, err = ask(conn, ifi.HardwareAddr, addr)
	}
	stop()
	if err := errors.Join(err, ctx.Err(), conn.Close()); err != nil {
		return nil, err
	}
	return mac, nil
}

// ask sends the question and reads until somebody answers or the deadline of
// conn has passed.
func ask(conn *packet.Conn, own net.HardwareAddr, addr netip.Addr) (net.HardwareAddr, error) {
	frame, to := question(own, addr)
	if _, err := conn.WriteTo(frame, &packet.Addr{HardwareAddr: to}); err != nil {
		return nil, fmt.Errorf("send question: %w", err)
	}
	buf := make([]byte, 256) // more than any frame that matters; longer ones are cut
	for {
		n, _, err := conn.ReadFrom(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("wait for answer: %w", err)
		}
		if mac := answer(buf[:n], addr); mac != nil && !slices.Equal(mac, own) {
			return mac, nil
		}
	}
}

// hasNeighbours says whether the interface speaks Ethernet.
func hasNeighbours(ifi *net.Interface) bool {
	return len(ifi.HardwareAddr) == 6 && !slices.Equal(ifi.HardwareAddr, noMAC)
}

// onlyAdvertisements lets neighbour advertisements pass: a database host sees a
// lot of other IPv6 traffic in 100 ms.
var onlyAdvertisements = mustAssemble(
	bpf.LoadAbsolute{Off: etherLen + 6, Size: 1}, // next header
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 58, SkipTrue: 3},
	bpf.LoadAbsolute{Off: etherLen + ip6Len, Size: 1}, // type
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: icmpAdvertise, SkipTrue: 1},
	bpf.RetConstant{Val: 256},
	bpf.RetConstant{Val: 0},
)

// mustAssemble panics if the program, a constant of this file, is wrong.
func mustAssemble(program ...bpf.Instruction) []bpf.RawInstruction {
	raw, err := bpf.Assemble(program)
	if err != nil {
		panic(fmt.Sprintf("assemble filter: %v", err))
	}
	return raw
}
