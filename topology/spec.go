package topology

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Spec is the cluster file: what the operator wants, written only by
// `mmmctl apply` and read by everybody. Defaults are filled in before it is
// stored, so a reader never guesses them.
type Spec struct {
	APIVersion string     `json:"apiVersion" yaml:"apiVersion"`
	Cluster    string     `json:"cluster" yaml:"cluster"`
	ID         string     `json:"id,omitempty" yaml:"-"` // made at the first apply, kept for ever (R17)
	Hosts      []HostSpec `json:"hosts" yaml:"hosts"`
	Roles      Roles      `json:"roles" yaml:"roles"`
	Timing     Timing     `json:"timing" yaml:"timing"`
	Durability Durability `json:"durability" yaml:"durability"`
	Recovery   Recovery   `json:"recovery" yaml:"recovery"`
	Checks     Checks     `json:"checks" yaml:"checks"`
	MySQL      MySQLSpec  `json:"mysql" yaml:"mysql"`
	Routers    Routers    `json:"routers,omitzero" yaml:"routers"` // none: the cluster has no routers of its own
}

// Routers are the machines that run mmmrouter, and the addresses that they
// share. None of them is a database host: it never votes, bids or acknowledges.
type Routers struct {
	Hosts  []RouterSpec `json:"hosts,omitempty"`
	VIPs   []netip.Addr `json:"vips,omitempty"`
	Listen Listen       `json:"listen,omitzero"`
}

// RouterSpec is one router of the cluster file.
type RouterSpec struct {
	Name      string     `json:"name"`
	Address   netip.Addr `json:"address"`
	Interface string     `json:"interface"` // where the VIPs go
}

// Listen is where every mmmrouter takes clients.
type Listen struct {
	RW uint16 `json:"rw"` // reads and writes; the agent beside it looks here whether it answers
	RO uint16 `json:"ro"` // reads only
}

// HostSpec is one database host of the cluster file.
type HostSpec struct {
	Name            string     `json:"name"`
	Address         netip.Addr `json:"address"`
	Mode            HostMode   `json:"mode"`
	Priority        int        `json:"priority,omitempty"` // lower is preferred as writer
	Weight          int        `json:"weight"`             // share of reader VIPs, 1 by default
	Port            uint16     `json:"port"`               // clients
	ReplicationPort uint16     `json:"replicationPort"`    // replicas and peers
	Interface       string     `json:"interface"`          // where the VIPs go
	Tags            []string   `json:"tags,omitempty"`
}

// MayWrite reports whether the operator allows the host to be writer.
func (h HostSpec) MayWrite() bool { return h.Barred() == "" }

// HasTag reports whether the host carries the tag.
func (h HostSpec) HasTag(tag string) bool {
	for _, t := range h.Tags {
		if t == tag {
			return true
		}
	}
	return false
}

// TagNoFailover keeps a host of mode master out of elections.
const TagNoFailover = "nofailover"

// HostMode is MMM's word for what a host may become.
type HostMode string

// The modes of a host.
const (
	Master HostMode = "master" // may be writer
	Slave  HostMode = "slave"  // never writer

	besideRouter HostMode = "router" // in no file: of a machine in Routers.Hosts, as AsRouters shows it
)

// Roles are the VIPs and who serves them.
type Roles struct {
	Writer Role `json:"writer"`
	Reader Role `json:"reader"`
}

// Role is one pool of VIPs. Hosts empty means all that may have the role.
type Role struct {
	Mode   string       `json:"mode"` // exclusive (writer) or balanced (reader)
	VIPs   []netip.Addr `json:"vips"`
	Hosts  []string     `json:"hosts,omitempty"`
	Prefer string       `json:"prefer,omitempty"`
}

// Timing says how fast the cluster notices and how much clock error it forgives.
type Timing struct {
	Profile    string   `json:"profile"` // lan, fast or wan
	TTL        Duration `json:"ttl"`     // asked lease time; the granted one counts
	Probe      Duration `json:"probe"`   // period of the local mysqld probe
	ProbeLimit Duration `json:"probeLimit"`
	Misses     int      `json:"misses"` // probes that must fail before mysqld counts as hung
	Disk       Duration `json:"disk"`   // how long no write to the disk of the datadir may work before the disk counts as bad
}

// DiskLimit is Disk; for a file that was stored before there was any it is what
// the profile says. A disk that finds another way through a network takes seconds.
func (t Timing) DiskLimit() Duration {
	switch {
	case t.Disk > 0:
		return t.Disk
	case t.Profile == "fast":
		return Duration(2 * time.Second)
	case t.Profile == "wan":
		return Duration(10 * time.Second)
	default:
		return Duration(5 * time.Second)
	}
}

// Durability says what happens when nobody is left to acknowledge.
type Durability string

// The policies.
const (
	Lossless  Durability = "lossless"  // a write that only one host has is never acknowledged: writes stop first
	Available Durability = "available" // when nobody is left to acknowledge, the writer goes on alone, and says so
)

// Recovery says when a host that came back is trusted again.
type Recovery struct {
	AutoSetOnline Duration     `json:"autoSetOnline"` // 0: only by set-online
	FlapCount     int          `json:"flapCount"`
	FlapDuration  Duration     `json:"flapDuration"`
	Rejoin        RejoinPolicy `json:"rejoin,omitempty"` // what a host that cannot follow does by itself

	CloneRate int64 `json:"cloneRate,omitempty"` // most that a host gives of a copy, in MiB a second; 0: no limit
}

// Checks are the limits of MMM's replication checks.
type Checks struct {
	BacklogMax Duration `json:"backlogMax"` // lag above it is REPLICATION_DELAY
	BacklogFor int      `json:"backlogFor"` // bad samples in a row before it counts
	ThreadsFor int      `json:"threadsFor"`
}

// MySQLSpec names the accounts; passwords live in each agent's own file.
type MySQLSpec struct {
	ReplicationUser string `json:"replicationUser"`
}

// Duration is a time.Duration that reads and prints as "60s".
type Duration time.Duration

// D is the plain time.Duration.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String prints 1m0s as time.Duration does.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText prints the duration as Go does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads 500ms, 3s, 2m or 1h; anything else is an error that says so.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("%q is not a duration; write 500ms, 3s or 2m", text)
	}
	*d = Duration(v)
	return nil
}

// Host finds a host by name.
func (s Spec) Host(name string) (HostSpec, bool) {
	for _, h := range s.Hosts {
		if h.Name == name {
			return h, true
		}
	}
	return HostSpec{}, false
}
