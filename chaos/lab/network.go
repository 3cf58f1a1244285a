package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const (
	bridgeName = "br0"
	hostLink   = "eth0"
	prefixBits = 24
)

// network is the switch of the bed: a network namespace with a bridge. The
// namespace has no name; it lives as long as this process holds it open.
type network struct {
	ns     netns.NsHandle
	handle *netlink.Handle
	bridge netlink.Link

	mu    sync.Mutex
	cuts  map[pair]Way // guarded, as are the marks; the whole is written to the kernel each time
	marks map[mark]bool
}

// newNetwork makes the switch, with no port and no cut.
func newNetwork(ctx context.Context, rules string) (*network, error) {
	n := &network{cuts: make(map[pair]Way), marks: make(map[mark]bool)}
	err := onOwnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make namespace: %w", err)
		}
		var err error
		n.ns, err = netns.Get()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make switch: %w", err)
	}
	if err := n.build(ctx, rules); err != nil {
		return nil, errors.Join(fmt.Errorf("make switch: %w", err), n.close())
	}
	return n, nil
}

func (n *network) build(ctx context.Context, rules string) error {
	var err error
	if n.handle, err = netlink.NewHandleAt(n.ns); err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = bridgeName
	snooping := false // every multicast goes everywhere: fewer surprises
	n.bridge = &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &snooping}
	if err := n.handle.LinkAdd(n.bridge); err != nil {
		return fmt.Errorf("add bridge: %w", err)
	}
	if err := n.handle.LinkSetUp(n.bridge); err != nil {
		return fmt.Errorf("set bridge up: %w", err)
	}
	return n.filter(ctx, cutTable+rules)
}

func (n *network) close() error {
	if n.handle != nil {
		n.handle.Close()
	}
	if err := n.ns.Close(); err != nil {
		return fmt.Errorf("close switch: %w", err)
	}
	return nil
}

// plug connects the host to the switch: a veth pair whose one end is the port,
// named as the host, and whose other is eth0 in the host's namespace. The MAC
// address follows from the IP address, as a machine keeps its card over a reboot.
func (n *network) plug(h Host, pid int) error {
	if err := n.unplug(h.Name); err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MasterIndex = h.Name, n.bridge.Attrs().Index
	port := &netlink.Veth{LinkAttrs: attrs, PeerName: hostLink,
		PeerHardwareAddr: hardwareAddr(h.Address), PeerNamespace: netlink.NsPid(pid)}
	if err := n.handle.LinkAdd(port); err != nil {
		return fmt.Errorf("plug %s: add port: %w", h.Name, err)
	}
	if err := n.handle.LinkSetUp(port); err != nil {
		return fmt.Errorf("plug %s: set port up: %w", h.Name, err)
	}
	ns, err := netns.GetFromPid(pid)
	if err != nil {
		return fmt.Errorf("plug %s: open its namespace: %w", h.Name, err)
	}
	defer ns.Close()
	inside, err := netlink.NewHandleAt(ns)
	if err != nil {
		return fmt.Errorf("plug %s: open netlink: %w", h.Name, err)
	}
	defer inside.Close()
	return configure(inside, h)
}

func configure(inside *netlink.Handle, h Host) error {
	for _, name := range []string{"lo", hostLink} {
		link, err := inside.LinkByName(name)
		if err != nil {
			return fmt.Errorf("configure %s: find %s: %w", h.Name, name, err)
		}
		if name == hostLink {
			ip := &net.IPNet{IP: h.Address.AsSlice(), Mask: net.CIDRMask(prefixBits, 32)}
			if err := inside.AddrAdd(link, &netlink.Addr{IPNet: ip}); err != nil {
				return fmt.Errorf("configure %s: add %v: %w", h.Name, ip, err)
			}
		}
		if err := inside.LinkSetUp(link); err != nil {
			return fmt.Errorf("configure %s: set %s up: %w", h.Name, name, err)
		}
	}
	return nil
}

// unplug removes the port of a host if it is there; its eth0 goes with it.
func (n *network) unplug(name string) error {
	link, err := n.handle.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err == nil {
		err = n.handle.LinkDel(link)
	}
	if err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("unplug %s: %w", name, err)
	}
	return nil
}

// setPort takes the cable of a host out (down) or plugs it in and verifies it.
func (n *network) setPort(name string, up bool) error {
	link, err := n.handle.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find port of %s: %w", name, err)
	}
	set := n.handle.LinkSetDown
	if up {
		set = n.handle.LinkSetUp
	}
	if err := set(link); err != nil {
		return fmt.Errorf("set port of %s: %w", name, err)
	}
	if now, err := n.portUp(name); err != nil || now != up {
		return errors.Join(fmt.Errorf("set port of %s: it is up: %t, wanted %t", name, now, up), err)
	}
	return nil
}

// portUp reports whether the port of a host exists and is up.
func (n *network) portUp(name string) (bool, error) {
	link, err := n.handle.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("find port of %s: %w", name, err)
	}
	return link.Attrs().Flags&net.FlagUp != 0, nil
}

// filter loads nftables rules in the switch's namespace.
func (n *network) filter(ctx context.Context, rules string) error {
	_, err := n.nft(ctx, rules, "-f", "-")
	return err
}

// list is a table of the switch as text.
func (n *network) list(ctx context.Context, family, table string) (string, error) {
	return n.nft(ctx, "", "list", "table", family, table)
}

func (n *network) nft(ctx context.Context, input string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "nft", args...)
	cmd.Stdin = strings.NewReader(input)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := inNamespace(n.ns, func() error { return cmd.Start() }); err != nil {
		return "", fmt.Errorf("start nft: %w", err)
	}
	if err := cmd.Wait(); err != nil {
		return "", fmt.Errorf("run nft: %w: %s", err, out.String())
	}
	return out.String(), nil
}

// hardwareAddr derives a locally administered MAC address.
func hardwareAddr(ip netip.Addr) net.HardwareAddr {
	b := ip.As4()
	return net.HardwareAddr{0x02, 0x00, b[0], b[1], b[2], b[3]}
}

// onOwnThread runs f on a thread that ends with it, so f may change namespaces.
func onOwnThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends the thread
		done <- f()
	}()
	return <-done
}

// inNamespace runs f in a network namespace. What f creates (sockets, child
// processes) stays there.
func inNamespace(ns netns.NsHandle, f func() error) error {
	return onOwnThread(func() error {
		if err := netns.Set(ns); err != nil {
			return fmt.Errorf("enter namespace: %w", err)
		}
		return f()
	})
}
