package ctl

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/mmm-ha/mmm/topology"
)

// MoveRole is MMM's move_role. For the writer it is a switchover. Reader VIPs
// balance themselves and cannot be moved one host at a time, so role reader is
// refused; MMM took the addresses away from the host and gave them straight
// back. With force it is refused too: MMM's force gave up acknowledged writes.
func (c *Ctl) MoveRole(ctx context.Context, role, name string, force bool) error {
	return c.say(c.moveRole(ctx, role, name, force))
}

func (c *Ctl) moveRole(ctx context.Context, role, name string, force bool) (answer, error) {
	cl, err := c.load(ctx)
	if err != nil {
		return answer{}, err
	}
	if cl.ModeNow() == topology.Passive {
		return answer{}, refused("the mode is PASSIVE: nothing moves; `mmmctl mode active` ends that").inMMM("ERROR: This command is not allowed in passive mode")
	}
	if role != "writer" && role != "reader" {
		return answer{}, notFound("there is no role %q; the roles are writer and reader", role).inMMM("ERROR: Unknown role name '%s'!", role)
	}
	h, err := host(cl, name)
	if err != nil {
		return answer{}, err
	}
	state, why := topology.Classify(cl, name, c.now())
	_, _, live := cl.ReportOf(name)
	switch {
	case force && role != "writer":
		return answer{}, refused("only the writer role can be forced").inMMM("ERROR: move_role --forced may be used for the active master role only!")
	case force && state != topology.ReplicationFail && state != topology.ReplicationDelay:
		return answer{}, refused("%s is %s: %s", name, state, why).inMMM("ERROR: Can't force move of role to host with state %s.", state)
	case force:
		return answer{}, refused("%s is %s (%s), and an acknowledged write is never given up; mend its replication, then use switchover", name, state, why)
	case role == "reader":
		return answer{}, refused("reader VIPs balance themselves; `mmmctl set-offline %s` takes all of them away from it, and in mode PASSIVE `mmmctl set-ip VIP HOST` puts one where you want it", name)
	case !h.MayWrite():
		return answer{}, refused("%s may not be writer; these may: %s", name, strings.Join(mayWrite(cl), ", ")).
			inMMM("ERROR: Host '%s' can't handle role '%s'. Only following hosts could: %s", name, role, strings.Join(mayWrite(cl), ", "))
	case cl.Writer.Present() && cl.Writer.Value.Name == name:
		return answer{text: name + " is the writer already", mmm: fmt.Sprintf("OK: Role is on '%s' already. Skipping command.", name)}, nil
	case state != topology.Online:
		return answer{}, refused("%s is %s: %s", name, state, why).inMMM("ERROR: Can't move role to host with state %s.", state)
	case !live:
		return answer{}, refused("the agent of %s holds no lease in etcd", name).inMMM("ERROR: Can't reach agent daemon on '%s'! Can't move roles there!", name)
	}
	return c.switchover(ctx, name)
}

// mayWrite are the hosts that the cluster file lets be writer, sorted.
func mayWrite(cl topology.Cluster) []string {
	return slices.DeleteFunc(hostNames(cl), func(n string) bool {
		h, _ := cl.Spec.Value.Host(n)
		return !h.MayWrite()
	})
}

// SetIP is MMM's set_ip: in mode PASSIVE only, it pins a reader VIP to a host, or a
// router VIP to a router.
// The pin stays in force in the other modes until Unpin removes it.
func (c *Ctl) SetIP(ctx context.Context, ip, name string) error {
	return c.say(c.setIP(ctx, ip, name))
}

func (c *Ctl) setIP(ctx context.Context, ip, name string) (answer, error) {
	cl, err := c.load(ctx)
	if err != nil {
		return answer{}, err
	}
	if cl.ModeNow() != topology.Passive {
		return answer{}, refused("only in mode PASSIVE; now the cluster is %s and places its VIPs itself", cl.ModeNow()).inMMM("ERROR: This command is only allowed in passive mode")
	}
	among := cl
	if asked, err := netip.ParseAddr(ip); err == nil && slices.Contains(cl.Spec.Value.Routers.VIPs, asked) {
		among = cl.AsRouters()
	}
	vip, err := readerVIP(among, ip)
	if err != nil {
		return answer{}, err
	}
	if _, err := host(among, name); err != nil {
		return answer{}, err
	}
	if state, why := topology.Classify(among, name, c.now()); state != topology.Online {
		return answer{}, refused("%s is %s: %s", name, state, why).inMMM("ERROR: Host '%s' is '%s' at the moment. Can't move role with ip '%s' there.", name, state, ip)
	}
	call, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	pin := topology.Pin{Host: name, Who: c.Who, Why: c.Reason, Since: c.now()}
	if _, err := c.Store.Pin(call, vip, cl.Pins[vip].Rev, pin); err != nil {
		return answer{}, err
	}
	c.record(ctx, cl, "pinned VIP %s to %s", vip, name)
	return answer{
		text: fmt.Sprintf("%s is pinned to %s; `mmmctl unpin %s` frees it", vip, name, vip),
		mmm:  fmt.Sprintf("OK: Set role 'reader(%s)' to host '%s'.", vip, name),
	}, nil
}

// Unpin lets a VIP that was pinned be balanced again.
func (c *Ctl) Unpin(ctx context.Context, ip string) error {
	return c.say(c.unpin(ctx, ip))
}

func (c *Ctl) unpin(ctx context.Context, ip string) (answer, error) {
	cl, err := c.load(ctx)
	if err != nil {
		return answer{}, err
	}
	// The VIP may have left the cluster file since: its pin must go all the same.
	vip, err := netip.ParseAddr(ip)
	if err != nil {
		return answer{}, notFound("%q is not an IP address", ip)
	}
	pin, ok := cl.Pins[vip]
	if !ok {
		return answer{}, notFound("%s is not pinned", vip)
	}
	call, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	if err := c.Store.Unpin(call, vip, pin.Rev); err != nil {
		return answer{}, err
	}
	c.record(ctx, cl, "unpinned VIP %s from %s", vip, pin.Value.Host)
	return answer{text: fmt.Sprintf("%s is no longer pinned to %s", vip, pin.Value.Host)}, nil
}

// readerVIP finds a VIP that can be pinned. The writer's follows the writer.
func readerVIP(cl topology.Cluster, ip string) (netip.Addr, error) {
	vip, err := netip.ParseAddr(ip)
	roles := cl.Spec.Value.Roles
	switch {
	case err == nil && slices.Contains(roles.Reader.VIPs, vip):
		return vip, nil
	case err == nil && slices.Contains(roles.Writer.VIPs, vip):
		return vip, refused("%s is the writer's VIP and is wherever the writer is; `mmmctl switchover` moves the writer", vip)
	default:
		return vip, notFound("there is no VIP %q in the cluster file", ip).inMMM("ERROR: Unknown ip '%s'!", ip)
	}
}
