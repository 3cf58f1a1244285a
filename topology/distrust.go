package topology

import (
	"fmt"
	"time"
)

// Distrust is why a host believes etcd no longer: it shows less than was seen
// (R17). It is kept on disk, for a vacant etcd that was restored from an old copy
// soon counts past what was seen, and is no less old for that. Zero: none.
type Distrust struct {
	Why   string       `json:"why,omitempty"`
	Seen  Rev          `json:"seen"` // highest revision that the host had seen
	At    Rev          `json:"at"`   // that of etcd when it was found to be older
	Reign Entry[Reign] `json:"reign"`
}

// Present reports whether etcd is distrusted.
func (d Distrust) Present() bool { return d.Seen > 0 }

// Recovered is key recovery: an operator has looked at an etcd that went back and
// says that it may be believed again. Its own revision is what counts: above
// everything that a host had seen.
type Recovered struct {
	Floor Rev       `json:"floor"` // highest revision that any host had seen; 0: it is not done yet
	Who   string    `json:"who,omitempty"`
	Why   string    `json:"why,omitempty"`
	Since time.Time `json:"since"`
}

// wentBack reports whether etcd shows less than this host has seen, now or at
// any time since an operator last looked. Right after a campaign that is only the
// watch, which has not shown the win yet: a host that is still closed waits for
// it, and so does one that took its reign again and may go on by promises. One
// that is open otherwise has seen its epoch there.
func wentBack(v *View) (string, bool) {
	const looked = "it was restored from an old copy; nothing is opened until `mmmctl recover-etcd`"
	w, justWon := v.Cluster.Writer, v.Term.Epoch > v.Cluster.Rev && (v.Probe.ReadOnly || !v.Probe.Up || v.Failsafe.Left > 0)
	switch {
	case v.Seen.Distrust.Present():
		return v.Seen.Distrust.Why, true
	case v.Cluster.Rev == 0:
		return "", false
	case v.Cluster.Rev < v.Seen.Top:
		return fmt.Sprintf("etcd is at revision %d but %d was seen: %s", v.Cluster.Rev, v.Seen.Top, looked), true
	case justWon:
		return "", false
	case v.Cluster.Rev < v.Seen.Epoch:
		return fmt.Sprintf("etcd is at revision %d but epoch %d was seen: %s", v.Cluster.Rev, v.Seen.Epoch, looked), true
	default:
		return fmt.Sprintf("etcd names a writer of epoch %d but epoch %d was seen: %s", w.Rev, v.Seen.Epoch, looked), w.Present() && w.Rev < v.Seen.Epoch
	}
}

// distrust asks for a second look that is kept on disk, and closes; or, when an
// operator has looked since, takes it back. What only serves readers stays open
// for the second look: the epoch that was seen may be a row of the database, which
// came faster than the watch.
func (v *View) distrust() []Action {
	d, r := v.Seen.Distrust, v.Cluster.Recovery
	var acts []Action
	if d.Present() || v.Term.Epoch > 0 || v.Probe.Up && !v.Probe.ReadOnly {
		acts = v.shut()
	}
	switch {
	case v.busy(LoseTrust, Trust):
	case !d.Present():
		why, _ := wentBack(v)
		acts = append(acts, Action{Kind: LoseTrust, Epoch: v.Seen.Epoch,
			Distrust: &Distrust{Why: why, Seen: max(v.Seen.Epoch, v.Seen.Top), Reign: v.Seen.Reign}})
	case r.Value.Floor >= d.Seen && r.Rev > d.Seen && r.Rev > d.At && v.Cluster.Rev >= r.Rev:
		acts = append(acts, Action{Kind: Trust})
	}
	return acts
}

// Older reports whether a reading of etcd, which must be linearizable, shows less
// than was seen: the revision or the epoch.
func (d Distrust) Older(c Cluster, epoch Rev) bool {
	return c.Rev < d.Seen || c.Writer.Present() && c.Writer.Rev < epoch
}
