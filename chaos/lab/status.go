package lab

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// Status is the bed as it is, read from the kernel and the inits.
type Status struct {
	Work  string       `json:"work"`
	Ctl   []string     `json:"ctl"` // mmmctl with the endpoints of the bed, for a command line on a host
	Hosts []HostStatus `json:"hosts"`
	Cuts  []string     `json:"cuts,omitempty"` // "db1 > db2", sorted
}

// HostStatus is one host of a Status.
type HostStatus struct {
	Host
	Up        bool         `json:"up"`     // has power
	Frozen    bool         `json:"frozen"` // by Freeze(WholeHost)
	Cable     bool         `json:"cable"`  // its port on the switch is up
	Init      int          `json:"init"`   // pid in the world, for EnterHost
	Addresses []string     `json:"addresses,omitempty"`
	Units     []UnitStatus `json:"units,omitempty"` // empty while the host is frozen
}

// UnitStatus is one program of a host.
type UnitStatus struct {
	Name     string `json:"name"`
	PID      int    `json:"pid"` // in the host; 0: does not run
	Frozen   bool   `json:"frozen,omitempty"`
	Held     bool   `json:"held,omitempty"` // down until somebody starts it
	Restarts int    `json:"restarts,omitempty"`
	LastEnd  string `json:"lastEnd,omitempty"`
}

// Status reads the present state of every host.
func (b *Bed) Status(ctx context.Context) (Status, error) {
	s := Status{Work: b.options.Work, Ctl: b.ctlCommand(b.ctlHost()), Hosts: make([]HostStatus, len(b.machines))}
	index := make(map[*machine]int)
	for i, m := range b.machines {
		index[m] = i
	}
	err := b.each(func(m *machine) error {
		h, err := b.hostStatus(ctx, m)
		s.Hosts[index[m]] = h
		return err
	})
	b.net.mu.Lock()
	defer b.net.mu.Unlock()
	for p := range b.net.cuts {
		s.Cuts = append(s.Cuts, p.from+" > "+p.to)
	}
	sort.Strings(s.Cuts)
	return s, err
}

func (b *Bed) hostStatus(ctx context.Context, m *machine) (HostStatus, error) {
	h := HostStatus{Host: m.Host}
	m.mu.Lock()
	boot := m.boot
	h.Up, h.Frozen = boot != nil, m.frozen
	m.mu.Unlock()
	var err error
	if h.Cable, err = b.net.portUp(m.Name); err != nil || !h.Up {
		return h, err
	}
	h.Init = boot.pid
	if h.Addresses, err = addressesOf(boot.pid); err != nil || h.Frozen {
		return h, err
	}
	units, err := m.ask(ctx, request{Op: "list"})
	if err != nil {
		return h, err
	}
	for _, u := range units {
		status := UnitStatus{Name: u.Name, PID: u.PID, Held: u.Held, Restarts: u.Restarts, LastEnd: u.LastEnd}
		if u.PID != 0 {
			if pid, err := boot.worldPID(u.PID); err == nil {
				stopped, all, err := threadsIn(pid, "Tt")
				status.Frozen = err == nil && all > 0 && stopped == all
			}
		}
		h.Units = append(h.Units, status)
	}
	return h, nil
}

// addressesOf lists what eth0 of a host carries: its own address and VIPs.
func addressesOf(pid int) ([]string, error) {
	ns, err := netns.GetFromPid(pid)
	if err != nil {
		return nil, fmt.Errorf("open network: %w", err)
	}
	defer ns.Close()
	handle, err := netlink.NewHandleAt(ns)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	defer handle.Close()
	link, err := handle.LinkByName(hostLink)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", hostLink, err)
	}
	list, err := handle.AddrList(link, netlink.FAMILY_V4)
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	var out []string
	for _, a := range list {
		out = append(out, a.IPNet.String())
	}
	return out, nil
}
