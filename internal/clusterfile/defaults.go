package clusterfile

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// What a file that says nothing means.
const (
	portDefault            = 3306
	replicationPortDefault = 3309
	interfaceDefault       = "eth0"
	routerRWDefault        = 3306
	routerRODefault        = 3307
	weightDefault          = 1
	// A host without a priority comes after all that have one.
	priorityDefault = 100

	probeDefault      = topology.Duration(50 * time.Millisecond)
	probeLimitDefault = topology.Duration(500 * time.Millisecond)
	missesDefault     = 2

	autoSetOnlineDefault = topology.Duration(time.Minute)
	flapCountDefault     = 3
	flapDurationDefault  = topology.Duration(time.Hour)

	backlogMaxDefault = topology.Duration(10 * time.Second)
	backlogForDefault = 3
	threadsForDefault = 2

	replicationUserDefault = "repl"
)

// ttlOf is the lease time of each profile. One second needs an etcd with an
// election timeout of 500 ms; two seconds suit etcd's own defaults.
var ttlOf = map[string]topology.Duration{
	"lan":  topology.Duration(2 * time.Second),
	"fast": topology.Duration(1 * time.Second),
	"wan":  topology.Duration(5 * time.Second),
}

// spec is the document with everything filled in that it does not say.
func (d *document) spec() topology.Spec {
	profile := d.timing.profile.or("lan")
	s := topology.Spec{
		APIVersion: APIVersion,
		Cluster:    d.cluster.v,
		Roles: topology.Roles{
			Writer: d.writer.spec("exclusive"),
			Reader: d.reader.spec("balanced"),
		},
		Timing: topology.Timing{
			Profile:    profile,
			TTL:        d.timing.ttl.or(ttlOf[profile]),
			Probe:      d.timing.probe.or(probeDefault),
			ProbeLimit: d.timing.probeLimit.or(probeLimitDefault),
			Misses:     d.timing.misses.or(missesDefault),
			Disk:       d.timing.disk.or(topology.Timing{Profile: profile}.DiskLimit()),
		},
		Durability: topology.Durability(d.durability.or(string(topology.Lossless))),
		Recovery: topology.Recovery{
			AutoSetOnline: d.recovery.autoSetOnline.or(autoSetOnlineDefault),
			FlapCount:     d.recovery.flapCount.or(flapCountDefault),
			FlapDuration:  d.recovery.flapDuration.or(flapDurationDefault),
			Rejoin:        topology.RejoinPolicy(d.recovery.rejoin.or(string(topology.RejoinRewind))),
			CloneRate:     int64(d.recovery.cloneRate.or(0)),
		},
		Checks: topology.Checks{
			BacklogMax: d.checks.backlogMax.or(backlogMaxDefault),
			BacklogFor: d.checks.backlogFor.or(backlogForDefault),
			ThreadsFor: d.checks.threadsFor.or(threadsForDefault),
		},
		MySQL: topology.MySQLSpec{ReplicationUser: d.replication.or(replicationUserDefault)},
	}
	for _, h := range d.hosts {
		s.Hosts = append(s.Hosts, h.spec(d.defaults))
	}
	s.Routers = d.routers.spec(d.defaults)
	return s
}

// spec is the section filled in; a file without it has no routers.
func (r routers) spec(def host) topology.Routers {
	if r.at == nil || len(r.hosts) == 0 {
		return topology.Routers{}
	}
	out := topology.Routers{Listen: r.listen()}
	for _, h := range r.hosts {
		out.Hosts = append(out.Hosts, topology.RouterSpec{Name: h.name.v, Address: h.address.v, Interface: h.iface.or(def.iface.or(interfaceDefault))})
	}
	for _, v := range r.vips {
		out.VIPs = append(out.VIPs, v.v)
	}
	return out
}

func (r routers) listen() topology.Listen {
	return topology.Listen{RW: uint16(r.rw.or(routerRWDefault)), RO: uint16(r.ro.or(routerRODefault))}
}

func (h host) spec(def host) topology.HostSpec {
	port, replication := h.ports(def)
	return topology.HostSpec{
		Name:            h.name.v,
		Address:         h.address.v,
		Mode:            topology.HostMode(h.mode.v),
		Priority:        h.priority.or(priorityDefault),
		Weight:          h.weight.or(weightDefault),
		Port:            uint16(port),
		ReplicationPort: uint16(replication),
		Interface:       h.iface.or(def.iface.or(interfaceDefault)),
		Tags:            texts(h.tags),
	}
}

// ports are the host's two ports after the file's own defaults and ours.
func (h host) ports(def host) (port, replication int) {
	return h.port.or(def.port.or(portDefault)), h.replicationPort.or(def.replicationPort.or(replicationPortDefault))
}

// mayWrite says of a host as written what HostSpec.MayWrite says of one filled in.
func (h host) mayWrite() bool {
	return h.mode.v == string(topology.Master) && !slices.Contains(texts(h.tags), topology.TagNoFailover)
}

func (r role) spec(mode string) topology.Role {
	out := topology.Role{Mode: mode, Hosts: texts(r.hosts), Prefer: r.prefer.v, VIPs: []netip.Addr{}}
	for _, v := range r.vips {
		out.VIPs = append(out.VIPs, v.v)
	}
	return out
}

func texts(vs []value[string]) []string {
	var out []string
	for _, v := range vs {
		out = append(out, v.v)
	}
	return out
}

// list joins names for a message.
func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
