package topology

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/topology/gtid"
)

// Clone is how far a host is in becoming a copy of another one. From CloneCopied
// on it is kept on disk, so that the next agent goes on with it.
type Clone struct {
	Step  CloneStep  `json:"step,omitempty"`
	From  string     `json:"from,omitempty"`  // who gives the copy
	Order Rev        `json:"order,omitempty"` // the operator's order that it carries out; 0: the policy
	State gtid.State `json:"state"`           // of the giver's binlog at the moment that the copy is of
	Old   string     `json:"old,omitempty"`   // where the data from before are; empty: nowhere
	Keep  string     `json:"keep,omitempty"`  // why they are not removed; empty: they are when the host follows
	Bytes int64      `json:"bytes,omitempty"` // come so far
	Total int64      `json:"total,omitempty"` // expected
	Since time.Time  `json:"since,omitzero"`
}

// CloneStep is how far a copy is.
type CloneStep string

// The steps of a copy, in order.
const (
	CloneCopying   CloneStep = "copying"   // it comes; nothing was changed, and it is forgotten when the agent ends
	CloneCopied    CloneStep = "copied"    // it is whole; the server still has its own data
	CloneReplacing CloneStep = "replacing" // the server is down, files are moved: only forward from here
	CloneReplaced  CloneStep = "replaced"  // its files are in place, its positions are not set
	CloneDone      CloneStep = "done"      // it is the server's data; what was there before may still lie beside it
)

// Unfinished reports whether the server is, or would be, started with data whose
// positions mean nothing.
func (c Clone) Unfinished() bool { return c.Step == CloneReplacing || c.Step == CloneReplaced }

// Space is what a report says of the space of a host, in bytes. Zero: not measured.
type Space struct {
	Data  int64  `json:"data,omitempty"`  // what a copy of it takes
	Free  int64  `json:"free,omitempty"`  // on the file system of the datadir
	Stays string `json:"stays,omitempty"` // why no copy can be put in place of the data; empty: one can
}

// spareBytes is what must stay free beside a copy, with a tenth of it for the
// log that is written while it is made.
const spareBytes = 256 << 20

// Room is how much must be free for a copy of that many bytes.
func Room(data int64) int64 { return data + data/10 + spareBytes }

// Donor names the host that gives a host its copy, or says why there is none. A
// healthy replica, by preference one that may not be writer; the writer only when
// the order allows it and nobody else can. from narrows it to one host; not is a
// host that has just tried in vain, passed over while there is another.
func Donor(c Cluster, self string, o RejoinOrder, not string, now time.Time) (name, why string) {
	var fit []HostSpec
	var no []string
	for _, h := range c.Spec.Value.Hosts {
		switch why := noDonor(c, h.Name, self, o, now); {
		case h.Name == self || o.From != "" && h.Name != o.From:
		case why != "":
			no = append(no, h.Name+" "+why)
		default:
			fit = append(fit, h)
		}
	}
	if len(fit) == 0 {
		return "", "nobody can give it a copy: " + wordOr(strings.Join(no, "; "), "there is no such host")
	}
	slices.SortStableFunc(fit, func(a, b HostSpec) int {
		writer := func(h HostSpec) int { return isTrue(h.Name == c.Writer.Value.Name) }
		return cmp.Or(cmp.Compare(writer(a), writer(b)), cmp.Compare(isTrue(a.Name == not), isTrue(b.Name == not)),
			cmp.Compare(isTrue(a.MayWrite()), isTrue(b.MayWrite())), cmp.Compare(b.Priority, a.Priority))
	})
	return fit[0].Name, ""
}

// noDonor says why a host may not be copied now, or nothing.
func noDonor(c Cluster, name, self string, o RejoinOrder, now time.Time) string {
	r, id, live := c.ReportOf(name)
	m, writer := c.Memories[name], c.Writer.Present() && c.Writer.Value.ID == id
	mine, _, _ := c.ReportOf(self)
	state, why := Classify(c, name, now)
	switch {
	case !live || !r.MySQL.Up:
		return "is down"
	case writer && !o.Writer:
		return "is the writer, and only --from-writer allows that"
	case state != Online && state != ReplicationDelay:
		return "is " + string(state) + ": " + string(why)
	case r.Peer == 0 || m.Value.ID != id || m.Value.Key == "":
		return "cannot be asked yet"
	case r.Repair != nil && r.Repair.Away:
		return "is being copied anew itself"
	case r.NoTools != "":
		return "has no tool for it: " + r.NoTools
	case release(mine.Version) != release(r.Version) && mine.Version != "":
		return "runs MariaDB " + release(r.Version) + ", this host " + release(mine.Version)
	default:
		return ""
	}
}

// release is the part of a version that data must agree in: "10.11".
func release(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// NoRoom says that a host has not the space for a copy of another, or nothing.
func NoRoom(c Cluster, self, from string) string {
	mine, _, _ := c.ReportOf(self)
	theirs, _, _ := c.ReportOf(from)
	switch need := Room(theirs.Space.Data); {
	case mine.Space.Stays != "":
		return self + " can take no copy: " + mine.Space.Stays
	case theirs.Space.Data == 0 || mine.Space.Free == 0:
		return "the space that it takes is not measured yet"
	case mine.Space.Free < need:
		return fmt.Sprintf("a copy of %s takes %s and %s has %s free: its data from before stay beside it until it follows; make room, or move them away by hand",
			from, Bytes(need), self, Bytes(mine.Space.Free))
	default:
		return ""
	}
}

// MayDonate says why a host that asks this one for a copy gets none, or nothing.
func MayDonate(v View, to HostID) string {
	name := nameOf(v.Cluster, to)
	_, member := v.Cluster.Spec.Value.Host(name)
	w := v.Cluster.Writer
	switch why := noDonor(v.Cluster, v.Self, name, v.Cluster.Rejoins[name].Value, v.Now); {
	case !member || v.Cluster.Memories[name].Value.ID != to && v.Cluster.Hosts[to].Value.Name != name:
		return "who asks is no host of this cluster"
	case !w.Present() || w.Value.ID == to:
		return "who asks is the writer, or there is none"
	case v.Probe.Clone.Unfinished() || v.Probe.Unfinished:
		return "this host is unfinished itself"
	case why != "":
		return v.Self + " " + why
	default:
		return ""
	}
}

// MustStopDonating says why a copy that this host gives must end, or nothing: a
// host that becomes writer has no time for it.
func MustStopDonating(v View, to HostID) string {
	name := nameOf(v.Cluster, to)
	reigns := v.Term.Epoch > 0
	switch {
	case reigns && !v.Cluster.Rejoins[name].Value.Writer:
		return "this host has become the writer"
	case !v.Probe.Up:
		return "mysqld of this host is down"
	default:
		return ""
	}
}

// Progress says how far a copy is: "1.2 of 1.8 GiB (68%), 214.0 MiB/s, 3s left".
func Progress(bytes, total int64, since, now time.Time) string {
	if total <= 0 || bytes <= 0 {
		return "it begins"
	}
	share := min(99, 100*bytes/total) // the total is an estimate
	out := fmt.Sprintf("%s of about %s (%d%%)", Bytes(bytes), Bytes(total), share)
	took := now.Sub(since)
	if took < time.Second {
		return out
	}
	rate := float64(bytes) / took.Seconds()
	left := time.Duration(float64(max(0, total-bytes)) / rate * float64(time.Second))
	return fmt.Sprintf("%s, %s/s, %s left", out, Bytes(int64(rate)), left.Round(time.Second))
}

// Bytes prints a number of bytes as 1.2 GiB.
func Bytes(n int64) string {
	value, unit := float64(n), 0
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	for value >= 1024 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}

func isTrue(b bool) int {
	if b {
		return 1
	}
	return 0
}
