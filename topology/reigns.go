package topology

import (
	"fmt"
	"slices"
	"time"
)

// StillReigns says for how long from the view's moment on this host surely takes
// writes for the reign of an epoch, and if not, why: its word to routers that lost
// etcd (R57). A reign that was taken again after an outage is the same one (R52).
func StillReigns(v View, a Ask) (left time.Duration, why string) {
	_, drains := v.draining()
	left = max(v.Lease.Left, v.Failsafe.Left)
	switch {
	case a.Cluster == "" || a.Cluster != v.Cluster.Spec.Value.ID:
		why = "this host is of another cluster"
	case v.Term.Epoch == 0 || v.Term.Ending || v.Seen.Distrust.Present():
		why = "this host does not reign"
	case !v.sameReign(a.Epoch):
		why = fmt.Sprintf("this host reigns in epoch %d, and epoch %d is over", v.Term.Epoch, a.Epoch)
	case !v.Probe.Up || v.Probe.ReadOnly || drains:
		why = "this host takes no writes now"
	case left <= 0:
		why = "the lease of this host has ended, and it has no promises"
	default:
		return left, ""
	}
	return 0, why
}

// sameReign reports whether the reign of this process is that of an epoch, or goes
// on from it.
func (v *View) sameReign(epoch Rev) bool {
	r := v.Cluster.Reign.Value
	return epoch == v.Term.Epoch || epoch > 0 && r.Epoch == v.Term.Epoch && slices.Contains(r.Before, epoch)
}
