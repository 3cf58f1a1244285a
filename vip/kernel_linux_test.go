package vip

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// realKernel returns a Manager over the kernel's eth0, and that Kernel.
func realKernel(t *testing.T) (*Manager, *HostKernel) {
	t.Helper()
	k, err := NewKernel("eth0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return New(Options{Kernel: k, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}), k
}

// isUp says whether this host has addr on eth0.
func isUp(t *testing.T, addr string) bool {
	return strings.Contains(sh(t, "ip addr show dev eth0"), " "+addr+"/")
}

// TestFakeAndKernelAgree runs the same orders against both kernels.
func TestFakeAndKernelAgree(t *testing.T) {
	conform := func(t *testing.T, k Kernel) {
		for _, addr := range addrs("192.0.2.113", "2001:db8::113") {
			entry := func() (Entry, bool) {
				t.Helper()
				list, err := k.List(t.Context())
				if err != nil {
					t.Fatalf("List: %v", err)
				}
				for _, e := range list {
					if e.Prefix.Addr() == addr {
						return e, true
					}
				}
				return Entry{}, false
			}
			must := func(what string, err error) {
				t.Helper()
				if err != nil {
					t.Errorf("%s %s: %v", what, addr, err)
				}
			}
			must("Delete what is not there:", k.Delete(t.Context(), addr))
			must("Add", k.Add(t.Context(), addr, 30*second))
			if k.Add(t.Context(), addr, 30*second) == nil {
				t.Errorf("Add %s twice = nil, want an error", addr)
			}
			e, ok := entry()
			if !ok || !e.Marked || !e.Prefix.IsSingleIP() || e.Left > 30*second || e.Left < 25*second {
				t.Errorf("after Add: %+v, want it marked, with 30 s", e)
			}
			must("Extend", k.Extend(t.Context(), addr, 90*second))
			if e, ok = entry(); !ok || !e.Marked || e.Left > 90*second || e.Left < 85*second {
				t.Errorf("after Extend: %+v, want it marked, with 90 s", e)
			}
			must("Announce", k.Announce(t.Context(), addr))
			must("Delete", k.Delete(t.Context(), addr))
			if e, ok = entry(); ok {
				t.Errorf("after Delete: %+v is there", e)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := k.Add(ctx, addr, 30*second); !errors.Is(err, context.Canceled) {
				t.Errorf("Add with a cancelled context = %v", err)
			}
		}
	}
	if !t.Run("fake", func(t *testing.T) { conform(t, NewFake("eth0")) }) || !inNamespaces(t) {
		return
	}
	wire(t)
	_, k := realKernel(t)
	conform(t, k)
}

func TestKernelTakesDownWhatIsNotExtended(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	wire(t)
	m, _ := realKernel(t)
	lost, kept := []string{"192.0.2.113", "2001:db8::113"}, []string{"192.0.2.114", "2001:db8::114"}
	crashed, _ := realKernel(t)
	if err := crashed.Reconcile(t.Context(), addrs(lost...), second); err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs(kept...) { // Reconcile would drop what the other put up
		if err := m.add(t.Context(), a, m.clock()+3*second); err != nil {
			t.Fatal(err)
		}
	}
	// 5 s are longer than any lifetime here; what is extended outlives them.
	outlived := time.Now().Add(5 * second)
	eventually(t, "the addresses that nobody extends are gone, 5 s are over", func() bool {
		time.Sleep(100 * milli)
		if err := m.Extend(t.Context(), 3*second); err != nil {
			t.Fatal(err)
		}
		for _, a := range kept {
			if !isUp(t, a) {
				t.Fatalf("%s is gone although it was extended", a)
			}
		}
		return time.Now().After(outlived) && !isUp(t, lost[0]) && !isUp(t, lost[1])
	})
	eventually(t, "those that are no longer extended go too", func() bool {
		return !isUp(t, kept[0]) && !isUp(t, kept[1])
	})
}

func TestForeignAddressesOfBothFamiliesStay(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	wire(t)
	sh(t, `ip addr add 192.0.2.113/32 dev eth0
ip addr add 192.0.2.115/32 dev eth0 label eth0:vrrp valid_lft 500 preferred_lft 0
ip addr add 192.0.2.116/24 dev eth0 label eth0:mmm
ip addr add 2001:db8::113/128 dev eth0 nodad
ip addr add 2001:db8::115/128 dev eth0 metric 7 valid_lft 500 preferred_lft 0 nodad noprefixroute`)
	all := func() string {
		return sh(t, `ip -o addr show dev eth0 | sed 's/valid_lft.*//' | grep -v fe80`)
	}
	before := all()
	m, _ := realKernel(t)
	err := m.Reconcile(t.Context(), addrs("192.0.2.113", "2001:db8::113", "192.0.2.114", "2001:db8::114"), 30*second)
	for _, fix := range []string{"ip addr del 192.0.2.113/32 dev eth0", "ip addr del 2001:db8::113/128 dev eth0"} {
		if !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), fix) {
			t.Errorf("Reconcile = %v, want ErrForeign that says %q", err, fix)
		}
	}
	if !isUp(t, "192.0.2.114") || !isUp(t, "2001:db8::114") {
		t.Errorf("the other two are not up:\n%s", all())
	}
	// Our label on a whole network is not our mark.
	if err := m.Reconcile(t.Context(), addrs("192.0.2.116"), 30*second); !errors.Is(err, ErrForeign) {
		t.Errorf("Reconcile = %v, want ErrForeign", err)
	}
	if err := m.Reconcile(t.Context(), nil, 30*second); err != nil {
		t.Error(err)
	}
	if err := m.Drop(t.Context(), addrs("192.0.2.113", "2001:db8::113", "192.0.2.115", "192.0.2.116")...); err != nil {
		t.Error(err)
	}
	if err := m.Clear(t.Context()); err != nil {
		t.Error(err)
	}
	if after := all(); after != before {
		t.Errorf("foreign addresses changed:\n%s\nwant\n%s", after, before)
	}
}

func TestLeftoversOfACrashedRunAreCleared(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	wire(t)
	crashed, _ := realKernel(t)
	want := addrs("192.0.2.113", "2001:db8::113")
	if err := crashed.Reconcile(t.Context(), want, 300*second); err != nil {
		t.Fatal(err)
	}
	m, _ := realKernel(t)
	if err := m.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	if isUp(t, "192.0.2.113") || isUp(t, "2001:db8::113") {
		t.Errorf("still there:\n%s", sh(t, "ip addr show dev eth0"))
	}
	if !isUp(t, "192.0.2.1") || !isUp(t, "2001:db8::1") {
		t.Error("the host's own addresses went too")
	}
}

func TestLinkWithALongNameHasAMarkToo(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	const link = "enx001122334455" // 15 characters, as udev names a USB card
	sh(t, "ip link add "+link+" type bridge && ip link set "+link+" up")
	k, err := NewKernel(link)
	if err != nil {
		t.Fatal(err)
	}
	a := addrs("192.0.2.113")[0]
	if err := k.Add(t.Context(), a, 30*second); err != nil {
		t.Fatal(err)
	}
	list, err := k.List(t.Context())
	if err != nil || len(list) == 0 || !list[0].Marked {
		t.Errorf("List = %+v, %v, want the address marked", list, err)
	}
	if out := sh(t, "ip addr show dev "+link); !strings.Contains(out, " enx00112233:mmm") {
		t.Errorf("label is not shown:\n%s", out)
	}
}

func TestMissingLinkIsNamed(t *testing.T) {
	if _, err := NewKernel("nosuchlink0"); err == nil || !strings.Contains(err.Error(), "nosuchlink0") {
		t.Errorf("NewKernel = %v, want an error that names the link", err)
	}
}

func TestKernelFindsALinkThatCameBack(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	wire(t)
	m, _ := realKernel(t)
	want := addrs("192.0.2.113")
	if err := m.Reconcile(t.Context(), want, 30*second); err != nil {
		t.Fatal(err)
	}
	sh(t, "ip link del eth0; ip link add eth0 type bridge; ip link set eth0 up")
	eventually(t, "the address is up on the new eth0", func() bool {
		return m.Reconcile(t.Context(), want, 30*second) == nil && isUp(t, "192.0.2.113")
	})
}

// neighbour returns what the namespace "peer" believes to be the hardware
// address of addr.
func neighbour(t *testing.T, addr netip.Addr) string {
	t.Helper()
	fields := strings.Fields(sh(t, "ip -n peer neigh show "+addr.String()))
	for i, f := range fields {
		if f == "lladdr" {
			return fields[i+1]
		}
	}
	return ""
}

func TestAnnouncementChangesTheNeighboursCache(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	wire(t)
	m, _ := realKernel(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- m.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	want := addrs("192.0.2.113", "2001:db8::113")
	for _, a := range want {
		// Learnt from the last holder and not to be doubted for a while.
		sh(t, "ip -n peer neigh replace "+a.String()+" lladdr 02:00:00:00:00:99 dev eth0 nud reachable")
	}
	if err := m.Reconcile(t.Context(), want, 30*second); err != nil {
		t.Fatal(err)
	}
	mac := macOf(t, "ip")
	for _, a := range want {
		eventually(t, "the neighbour knows that "+a.String()+" moved", func() bool { return neighbour(t, a) == mac })
	}
}

func TestProbeFindsTheHolderOrNobody(t *testing.T) {
	if !inNamespaces(t) {
		return
	}
	wire(t)
	sh(t, `ip -n peer addr add 192.0.2.113/32 dev eth0
ip -n peer addr add 2001:db8::113/128 dev eth0 nodad`)
	m, _ := realKernel(t)
	mac := macOf(t, "ip -n peer")
	for _, held := range addrs("192.0.2.113", "2001:db8::113") {
		eventually(t, "the holder of "+held.String()+" answers", func() bool {
			got, err := m.Probe(t.Context(), held, 100*milli)
			if err != nil {
				t.Fatal(err)
			}
			return got.String() == mac
		})
		if got := neighbour(t, addrs("192.0.2.1")[0]); held.Is4() && got != "" {
			t.Errorf("the probe taught the holder an address: %s", got)
		}
	}
	for _, free := range addrs("192.0.2.114", "2001:db8::114") {
		if got, err := m.Probe(t.Context(), free, 100*milli); err != nil || got != nil {
			t.Errorf("Probe(%s) = %v, %v, want nobody", free, got, err)
		}
	}
	// What this host has itself is held by nobody else.
	if err := m.Reconcile(t.Context(), addrs("192.0.2.115", "2001:db8::115"), 30*second); err != nil {
		t.Fatal(err)
	}
	for _, own := range addrs("192.0.2.115", "2001:db8::115") {
		if got, err := m.Probe(t.Context(), own, 100*milli); err != nil || got != nil {
			t.Errorf("Probe(%s) = %v, %v, want nobody else", own, got, err)
		}
	}
}
