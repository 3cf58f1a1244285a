package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/mdlayher/packet"
)

// Asker asks the network for addresses, as a machine that has no part in the
// cluster. One goroutine at a time may use it.
type Asker struct {
	conn  *packet.Conn
	mac   net.HardwareAddr
	own   netip.Addr
	hosts map[[6]byte]string // by the hardware address of their card
}

// NewAsker makes an asker on a host, which must stay up as long as it is used.
func (b *Bed) NewAsker(host string) (*Asker, error) {
	m, err := b.machine(host)
	if err != nil {
		return nil, err
	}
	a := &Asker{own: m.Address, mac: hardwareAddr(m.Address), hosts: map[[6]byte]string{}}
	for _, other := range b.machines {
		a.hosts[[6]byte(hardwareAddr(other.Address))] = other.Name
	}
	err = (&Dialer{machine: m}).inside(func() error {
		card, err := net.InterfaceByName(hostLink)
		if err != nil {
			return err
		}
		a.conn, err = packet.Listen(card, packet.Raw, etherARP, nil)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ask the network from %s: %w", host, err)
	}
	return a, nil
}

// Close ends the asker.
func (a *Asker) Close() error { return a.conn.Close() }

// The parts of an ARP frame over Ethernet.
const (
	etherARP   = 0x0806
	arpRequest = 1
	arpReply   = 2
	frameSize  = 42
)

var broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// Ask sends one question for each address and collects for a while who answers, or
// announces that it has the address. When one host has answered and another has
// announced itself, the address may just have moved (an announcement may have waited to
// be read, too), or two may have it: then the question is asked once more, and whoever
// answers that is named.
// The result has every address that was asked for; the hosts are sorted.
func (a *Asker) Ask(ctx context.Context, addrs []netip.Addr, wait time.Duration) (map[netip.Addr][]string, error) {
	heard, err := a.hear(ctx, addrs, wait)
	if err != nil {
		return nil, err
	}
	var moved []netip.Addr
	for addr, h := range heard {
		if len(h.answered) == 1 && len(h.all()) > 1 {
			moved = append(moved, addr)
		}
	}
	again, err := a.hear(ctx, moved, min(wait, answerTime))
	if err != nil {
		return nil, err
	}
	answers := make(map[netip.Addr][]string, len(addrs))
	for addr, h := range heard {
		answers[addr] = whoHas(h, again[addr])
	}
	return answers, ctx.Err()
}

// whoHas is who has an address, by one question and, where that was asked again, by the
// second. When nobody answers the second one the first counts.
func whoHas(first, second *heard) []string {
	if second == nil || len(second.answered) == 0 {
		return first.all()
	}
	return slices.Sorted(slices.Values(second.answered))
}

// answerTime is many times what an answer needs.
const answerTime = 25 * time.Millisecond

// heard is who was heard of one address.
type heard struct {
	answered  []string // the question
	announced []string // themselves, to everybody
}

// all are both, sorted.
func (h *heard) all() []string {
	both := slices.Concat(h.answered, h.announced)
	slices.Sort(both)
	return slices.Compact(both)
}

// hear sends one question for each address and collects for a while.
func (a *Asker) hear(ctx context.Context, addrs []netip.Addr, wait time.Duration) (map[netip.Addr]*heard, error) {
	all := make(map[netip.Addr]*heard, len(addrs))
	if len(addrs) == 0 {
		return all, nil
	}
	for _, addr := range addrs {
		all[addr] = &heard{}
		if _, err := a.conn.WriteTo(a.question(addr), &packet.Addr{HardwareAddr: broadcast}); err != nil {
			return nil, fmt.Errorf("ask for %v: %w", addr, err)
		}
	}
	if err := a.conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return nil, fmt.Errorf("limit answers: %w", err)
	}
	buf := make([]byte, 256)
	for ctx.Err() == nil {
		n, _, err := a.conn.ReadFrom(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read answers: %w", err)
		}
		addr, mac, ok := parseReply(buf[:n])
		host, known := a.hosts[mac]
		h := all[addr]
		if !ok || !known || h == nil {
			continue
		}
		to := &h.announced
		if slices.Equal(buf[:6], a.mac) {
			to = &h.answered
		}
		if !slices.Contains(*to, host) {
			*to = append(*to, host)
		}
	}
	return all, nil
}

func (a *Asker) question(addr netip.Addr) []byte {
	f := make([]byte, 0, frameSize)
	f = append(f, broadcast...)
	f = append(f, a.mac...)
	f = binary.BigEndian.AppendUint16(f, etherARP)
	f = append(f, 0, 1, 8, 0, 6, 4, 0, arpRequest) // Ethernet, IPv4, their lengths
	f = append(f, a.mac...)
	f = append(f, a.own.AsSlice()...)
	f = append(f, make([]byte, 6)...)
	return append(f, addr.AsSlice()...)
}

// parseReply reads who has which address out of a frame.
func parseReply(frame []byte) (addr netip.Addr, mac [6]byte, ok bool) {
	if len(frame) < frameSize || binary.BigEndian.Uint16(frame[12:]) != etherARP || binary.BigEndian.Uint16(frame[20:]) != arpReply {
		return addr, mac, false
	}
	return netip.AddrFrom4([4]byte(frame[28:32])), [6]byte(frame[22:28]), true
}
