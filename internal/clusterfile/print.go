package clusterfile

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/mmm-ha/mmm/topology"
)

// Print writes a spec as a cluster file with one line per host. All values are
// written out, also those that are the default, so that the file tells how the
// cluster really runs; Parse of the result gives the same spec, but for ID.
func Print(s topology.Spec) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "apiVersion: %s\ncluster: %s\n", APIVersion, quote(s.Cluster))
	common, shared := commonPorts(s.Hosts)
	if shared {
		fmt.Fprintf(&b, "defaults: {%s}\n", ports(common))
	}
	b.WriteString("hosts:\n")
	for _, h := range s.Hosts {
		fmt.Fprintf(&b, "  - {%s}\n", hostLine(h, !shared))
	}
	b.WriteString("roles:\n")
	fmt.Fprintf(&b, "  writer: {%s}\n", roleLine(s.Roles.Writer))
	fmt.Fprintf(&b, "  reader: {%s}\n", roleLine(s.Roles.Reader))
	t, r, c := s.Timing, s.Recovery, s.Checks
	fmt.Fprintf(&b, "timing: {profile: %s, ttl: %s, probe: %s, probeLimit: %s, misses: %d, disk: %s}\n", t.Profile, short(t.TTL.D()), short(t.Probe.D()), short(t.ProbeLimit.D()), t.Misses, short(t.DiskLimit().D()))
	fmt.Fprintf(&b, "durability: %s\n", s.Durability)
	fmt.Fprintf(&b, "recovery: {autoSetOnline: %s, flapCount: %d, flapDuration: %s, rejoin: %s%s}\n", short(r.AutoSetOnline.D()), r.FlapCount, short(r.FlapDuration.D()), rejoin(r.Rejoin), cloneRate(r.CloneRate))
	fmt.Fprintf(&b, "checks: {backlogMax: %s, backlogFor: %d, threadsFor: %d}\n", short(c.BacklogMax.D()), c.BacklogFor, c.ThreadsFor)
	fmt.Fprintf(&b, "mysql: {replicationUser: %s}\n", quote(s.MySQL.ReplicationUser))
	printRouters(&b, s.Routers)
	return b.Bytes()
}

// printRouters writes the section, if there are any.
func printRouters(b *bytes.Buffer, r topology.Routers) {
	if len(r.Hosts) == 0 {
		return
	}
	b.WriteString("routers:\n  hosts:\n")
	for _, h := range r.Hosts {
		fmt.Fprintf(b, "    - {name: %s, address: %s, interface: %s}\n", quote(h.Name), quote(h.Address.String()), quote(h.Interface))
	}
	fmt.Fprintf(b, "  vips: %s\n  listen: {rw: %d, ro: %d}\n", flow(addrs(r.VIPs)), r.Listen.RW, r.Listen.RO)
}

// rejoin is the policy; one that was stored before there were any is the default.
func rejoin(p topology.RejoinPolicy) topology.RejoinPolicy {
	if p == "" {
		return topology.RejoinRewind
	}
	return p
}

// cloneRate is written only when there is a limit.
func cloneRate(rate int64) string {
	if rate == 0 {
		return ""
	}
	return fmt.Sprintf(", cloneRate: %d", rate)
}

// commonPorts finds out whether all hosts have the same ports and interface, so
// that one line can say it for all.
func commonPorts(hosts []topology.HostSpec) (topology.HostSpec, bool) {
	if len(hosts) == 0 {
		return topology.HostSpec{}, false
	}
	first := hosts[0]
	for _, h := range hosts[1:] {
		if h.Port != first.Port || h.ReplicationPort != first.ReplicationPort || h.Interface != first.Interface {
			return topology.HostSpec{}, false
		}
	}
	return first, true
}

func ports(h topology.HostSpec) string {
	return fmt.Sprintf("port: %d, replicationPort: %d, interface: %s", h.Port, h.ReplicationPort, quote(h.Interface))
}

func hostLine(h topology.HostSpec, withPorts bool) string {
	parts := []string{"name: " + quote(h.Name), "address: " + quote(h.Address.String()), "mode: " + string(h.Mode)}
	if h.Priority != priorityDefault {
		parts = append(parts, "priority: "+strconv.Itoa(h.Priority))
	}
	if h.Weight != weightDefault {
		parts = append(parts, "weight: "+strconv.Itoa(h.Weight))
	}
	if withPorts {
		parts = append(parts, ports(h))
	}
	if len(h.Tags) > 0 {
		parts = append(parts, "tags: "+flow(h.Tags))
	}
	return strings.Join(parts, ", ")
}

func roleLine(r topology.Role) string {
	parts := []string{"mode: " + r.Mode, "vips: " + flow(addrs(r.VIPs))}
	if len(r.Hosts) > 0 {
		parts = append(parts, "hosts: "+flow(r.Hosts))
	}
	if r.Prefer != "" {
		parts = append(parts, "prefer: "+quote(r.Prefer))
	}
	return strings.Join(parts, ", ")
}

func addrs(as []netip.Addr) []string {
	var out []string
	for _, a := range as {
		out = append(out, a.String())
	}
	return out
}

func flow(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quote(w)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// quote writes a string so that YAML reads it as the same string, also between
// braces: "yes", "1" and what holds a comma or a colon get quotes.
func quote(s string) string {
	text, err := yaml.MarshalWithOptions(s, yaml.JSON())
	if err != nil || label.MatchString(s) && !special(s) || isAddr(s) {
		return s
	}
	return strings.TrimSpace(string(text))
}

func isAddr(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is4()
}

// special reports whether plain text would be read as something else.
func special(s string) bool {
	var v any
	if err := yaml.Unmarshal([]byte(s), &v); err != nil {
		return true
	}
	got, ok := v.(string)
	return !ok || got != s
}
