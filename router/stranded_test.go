package router

import (
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"
)

func TestAddressHasLeftWhenItWasHereAndIsNot(t *testing.T) {
	vip, own, other := netip.MustParseAddr("192.0.2.170"), netip.MustParseAddr("192.0.2.171"), netip.MustParseAddr("2001:db8::1")
	var a addresses
	began := time.Unix(1_000_000, 0)
	at := func(s int) time.Time { return began.Add(time.Duration(s) * time.Second) }
	a.look(at(0), []netip.Addr{vip, own})
	if a.gone(at(0), vip) || a.gone(at(0), other) {
		t.Error("something has left before anything did")
	}
	a.look(at(1), []netip.Addr{own})
	if a.gone(at(1), vip) {
		t.Error("it has left for good at the first look without it")
	}
	a.look(at(2), []netip.Addr{own})
	if !a.gone(at(2), vip) || a.gone(at(2), own) || a.gone(at(2), other) {
		t.Error("after two looks without it: the VIP, and it alone")
	}
	if !a.gone(at(2), netip.AddrFrom16(vip.As16())) {
		t.Error("a socket that takes both families says the same address in another way")
	}
	a.look(at(3), []netip.Addr{own, vip})
	if a.gone(at(3), vip) || a.gone(at(9), vip) {
		t.Error("it is back")
	}
	a.look(at(4), []netip.Addr{own})
	a.look(at(4+int(3*keptAlive/time.Second)), []netip.Addr{own})
	if len(a.left) > 0 {
		t.Errorf("after minutes it is still known: %v", a.left)
	}
}

// sweptAt makes a router believe that its machine has the addresses that standing says.
func sweptAt(t *testing.T, standing func() ([]netip.Addr, error)) *rig {
	t.Helper()
	return runWith(t, nil, func(r *Router) { r.sweeper.standing = standing })
}

func TestSessionEndsWhenTheAddressOfItsClientHasLeft(t *testing.T) {
	var gone atomic.Bool
	loopback := netip.MustParseAddr("127.0.0.1")
	r := sweptAt(t, func() ([]netip.Addr, error) {
		if gone.Load() {
			return nil, nil
		}
		return []netip.Addr{loopback}, nil
	})
	idle, busy := login(t, r.address, "app"), login(t, r.address, "app")
	idle.say("begin")
	idle.want("ok begin")
	busy.say("run")
	eventually(t, "it was seen", func() bool { return r.sweeper.turned.Load() > 0 })
	gone.Store(true)
	idle.want("error 1927 (70100): Connection was killed: the address by which the client came has left this machine")
	idle.want("end")
	busy.want("interrupted")
	busy.want("error 1927")
	busy.want("end")
}

func TestSessionStaysWhileTheAddressesCannotBeRead(t *testing.T) {
	var turns atomic.Int64
	r := sweptAt(t, func() ([]netip.Addr, error) {
		if turns.Add(1) == 1 {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		}
		return nil, errors.New("no buffer")
	})
	c := login(t, r.address, "app")
	eventually(t, "it was asked often", func() bool { return turns.Load() > 3 })
	c.say("hello")
	c.want("ok hello")
}
