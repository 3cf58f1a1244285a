package ctl

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mmm-ha/mmm/topology"
)

// diff lists what changes from one spec to the next: + added, - removed,
// ~ changed from -> to. An empty old spec is a new cluster.
func diff(old, next topology.Spec) []string {
	var out []string
	for _, h := range old.Hosts {
		if _, kept := next.Host(h.Name); !kept {
			out = append(out, fmt.Sprintf("- host %s (%s)", h.Name, h.Address))
		}
	}
	for _, h := range next.Hosts {
		before, known := old.Host(h.Name)
		if !known {
			out = append(out, fmt.Sprintf("+ host %s (%s, %s)", h.Name, h.Address, h.Mode))
			continue
		}
		out = append(out, changed("host "+h.Name+" ", hostFields(before), hostFields(h))...)
	}
	fresh := old.Cluster == ""
	for _, line := range changed("", specFields(old), specFields(next)) {
		if fresh {
			// Of a new cluster only the values are news, not that they were empty.
			name, value, _ := strings.Cut(strings.TrimPrefix(line, "~ "), ": ")
			_, value, _ = strings.Cut(value, " -> ")
			if value == "-" {
				continue
			}
			line = "+ " + name + ": " + value
		}
		out = append(out, line)
	}
	return out
}

// field is one value of a spec, as text.
type field struct{ name, value string }

func hostFields(h topology.HostSpec) []field {
	return []field{
		{"address", h.Address.String()},
		{"mode", string(h.Mode)},
		{"priority", fmt.Sprint(h.Priority)},
		{"weight", fmt.Sprint(h.Weight)},
		{"port", fmt.Sprint(h.Port)},
		{"replicationPort", fmt.Sprint(h.ReplicationPort)},
		{"interface", h.Interface},
		{"tags", strings.Join(h.Tags, " ")},
	}
}

func specFields(s topology.Spec) []field {
	var out []field
	for _, r := range []struct {
		name string
		role topology.Role
	}{{"writer", s.Roles.Writer}, {"reader", s.Roles.Reader}} {
		var vips []string
		for _, v := range r.role.VIPs {
			vips = append(vips, v.String())
		}
		out = append(out,
			field{"roles." + r.name + ".vips", strings.Join(vips, " ")},
			field{"roles." + r.name + ".hosts", strings.Join(r.role.Hosts, " ")},
			field{"roles." + r.name + ".prefer", r.role.Prefer})
	}
	return append(out,
		field{"timing.profile", s.Timing.Profile},
		field{"timing.ttl", s.Timing.TTL.String()},
		field{"timing.probe", s.Timing.Probe.String()},
		field{"timing.probeLimit", s.Timing.ProbeLimit.String()},
		field{"timing.misses", fmt.Sprint(s.Timing.Misses)},
		field{"timing.disk", s.Timing.DiskLimit().String()},
		field{"durability", string(s.Durability)},
		field{"recovery.autoSetOnline", s.Recovery.AutoSetOnline.String()},
		field{"recovery.flapCount", fmt.Sprint(s.Recovery.FlapCount)},
		field{"recovery.flapDuration", s.Recovery.FlapDuration.String()},
		field{"recovery.rejoin", string(cmp.Or(s.Recovery.Rejoin, topology.RejoinRewind))},
		field{"recovery.cloneRate", fmt.Sprint(s.Recovery.CloneRate)},
		field{"checks.backlogMax", s.Checks.BacklogMax.String()},
		field{"checks.backlogFor", fmt.Sprint(s.Checks.BacklogFor)},
		field{"checks.threadsFor", fmt.Sprint(s.Checks.ThreadsFor)},
		field{"mysql.replicationUser", s.MySQL.ReplicationUser})
}

// changed compares two lists of the same fields.
func changed(prefix string, old, next []field) []string {
	var out []string
	for i, f := range next {
		j := slices.IndexFunc(old, func(o field) bool { return o.name == f.name })
		if j >= 0 && old[j].value != f.value {
			out = append(out, fmt.Sprintf("~ %s%s: %s -> %s", prefix, next[i].name, orDash(old[j].value), orDash(f.value)))
		}
	}
	return out
}
