package topology

import (
	"fmt"
	"strconv"
	"strings"
)

// Barred says why the operator does not allow the host to be writer, or nothing.
func (h HostSpec) Barred() string {
	switch {
	case h.Mode != Master:
		return "may not be writer by the cluster file (mode slave)"
	case h.HasTag(TagNoFailover):
		return "may not be writer by the cluster file (tag " + TagNoFailover + ")"
	default:
		return ""
	}
}

// Late says that a replica applies later on purpose what it receives, or
// nothing. It acknowledges as fast as any other, so nothing is lost with it; but
// what it has received is of no use to anybody before its time has come.
func Late(r Replication) string {
	if r.Delay <= 0 {
		return ""
	}
	return fmt.Sprintf("it applies what it receives %s later on purpose (MASTER_DELAY)", r.Delay)
}

// Ahead says that a host runs a newer series of the server than a live host
// which would have to follow it, or nothing: a replica may be newer than its
// source, not older.
func Ahead(c Cluster, name string) string {
	r, _, _ := c.ReportOf(name)
	for _, h := range c.Spec.Value.Hosts {
		o, _, live := c.ReportOf(h.Name)
		if live && h.Name != name && newer(r.Version, o.Version) {
			return fmt.Sprintf("it runs %s and %s only %s, and a replica may not be older than its source", series(r.Version), h.Name, series(o.Version))
		}
	}
	return ""
}

// newer reports whether a version is of a later series than another one. What
// cannot be read is not newer than anything.
func newer(a, b string) bool {
	major, minor, ok := parseSeries(a)
	major2, minor2, ok2 := parseSeries(b)
	return ok && ok2 && (major > major2 || major == major2 && minor > minor2)
}

// series is the part of a version within which replication works both ways:
// 10.11 of "10.11.14-MariaDB-0+deb12u2-log".
func series(version string) string {
	major, minor, _ := parseSeries(version)
	return fmt.Sprintf("%d.%d", major, minor)
}

func parseSeries(version string) (major, minor int, ok bool) {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 3 {
		return 0, 0, false
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return major, minor, err1 == nil && err2 == nil
}
