package topology

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Failsafe is how a host stands without etcd (R49-R54): what others promised
// it, and what it promised others. The durations are what is left of them.
type Failsafe struct {
	Etcd  bool          // the last renewal of this host's lease was answered: it sees a quorum of etcd
	Back  time.Duration // what is left of the TTL after it was not: others may still be on their way back
	Left  time.Duration // how long this host may go on by the promises of all others alone (R50)
	Run   time.Duration // how long it has promised neither to run, open or bid, nor to stop its IO thread
	Claim time.Duration // how long it has promised to claim no reader VIP
	To    string        // name of the host that it promised last
	Key   string        // public key by which others know what it says
}

// Ask is what a host that has lost etcd asks of another one.
type Ask struct {
	Cluster string // id of the cluster
	From    HostID
	Epoch   Rev // of the asker's reign; 0: it only serves reader VIPs
}

// breaks are the actions that a host which made a promise must not take, whoever
// asks for them: with each it would run, open, bid, or stop its IO thread.
var breaks = []Kind{PlaceBid, Fetch, Campaign, Adopt, Retake, BecomeSource, OpenDoor, Follow, Reattach, SetSemi, StopForOrder}

// races are what a host enters by a record in etcd. One that etcd does not answer
// cannot: it would only stop receiving, or be about to serve a VIP, and could
// promise nothing.
var races = []Kind{PlaceBid, ClaimVIP}

// allowed leaves out what this host has promised not to do, and what it cannot
// do on a disk that takes no writes, or
// without etcd, even when its watch still tells it of others. A VIP that it
// serves by promises itself it may claim again: all others left that one to it.
func (v *View) allowed(acts []Action) []Action {
	return slices.DeleteFunc(acts, func(a Action) bool {
		return v.Failsafe.Run > 0 && slices.Contains(breaks, a.Kind) ||
			!v.Failsafe.Etcd && slices.Contains(races, a.Kind) ||
			v.Probe.Disk.Bad && slices.Contains(writesDisk, a.Kind) ||
			v.Failsafe.Claim > 0 && a.Kind == ClaimVIP && !slices.Contains(v.kept(), a.VIPs[0])
	})
}

// kept are the reader VIPs that are up here and that no other host has claimed,
// while all others have promised to claim none: they stay where they are (R54).
func (v *View) kept() []netip.Addr {
	if v.Failsafe.Left <= 0 || v.Term.Ending {
		return nil
	}
	return slices.DeleteFunc(sortedAddrs(v.Cluster.Spec.Value.Roles.Reader.VIPs), func(vip netip.Addr) bool {
		c, claimed := v.Cluster.Claims[vip]
		return claimed && c.Value.ID != v.ID || !slices.Contains(v.VIPs, vip)
	})
}

// mayServe reports whether an address may come up here: one that is up may stay,
// another one may by now be kept elsewhere by a promise of this host.
func (v *View) mayServe(addr netip.Addr) bool {
	return v.Failsafe.Claim <= 0 || slices.Contains(v.VIPs, addr)
}

// MayPromise says whether this host may promise what is asked, and if not, why
// not (R51). It must be asked and the promise begun under one view, with nothing
// started between the two; v.Busy must name everything in flight.
func MayPromise(v View, a Ask) (why string, may bool) {
	if why := v.refusal(a); why != "" {
		return why, false
	}
	return "", true
}

func (v *View) refusal(a Ask) string {
	switch {
	case v.Cluster.Rev == 0:
		return "this host knows nothing of the cluster yet"
	case a.Cluster == "" || a.Cluster != v.Cluster.Spec.Value.ID:
		return "this host is of another cluster"
	case a.From == v.ID:
		return "this host asked itself"
	case v.Failsafe.Etcd && v.Failsafe.Back <= 0:
		return "this host reaches a quorum of etcd"
	case v.busy(ClaimVIP):
		return "this host is about to serve another VIP"
	case a.Epoch > 0:
		return v.refusalOfReign(a)
	default:
		return ""
	}
}

// refusalOfReign judges the ask of a writer. Without it the asker's reign ends
// within a TTL; with it this host stands still for one: so it is given only
// while nothing that this host has sent or seen can be another reign. That etcd
// has let go of the asker's key is no other reign: the watch of a host may go on
// when nothing else of etcd does.
func (v *View) refusalOfReign(a Ask) string {
	w := v.Cluster.Writer
	over := v.Seen.Ended >= a.Epoch || v.Cluster.LastEpoch() > a.Epoch || w.Present() && w.Rev != a.Epoch
	switch {
	case v.Seen.Epoch > a.Epoch:
		return fmt.Sprintf("epoch %d was seen", v.Seen.Epoch)
	case over:
		return fmt.Sprintf("epoch %d has ended", a.Epoch)
	case w.Rev == a.Epoch && w.Value.ID != a.From:
		return fmt.Sprintf("epoch %d is of %s", a.Epoch, w.Value.Name)
	case v.Term.Epoch > 0:
		return fmt.Sprintf("this host reigns in epoch %d", v.Term.Epoch)
	case v.busy(breaks...):
		return "this host is about to bid or to open"
	case v.Seen.Unknown >= a.Epoch:
		return "this host asked for the writer's place and does not know the outcome"
	case v.Probe.Up && !v.Probe.ReadOnly:
		return "the server of this host is writable"
	default:
		return ""
	}
}

// Promisers are the hosts that must all promise before this one may go on
// without etcd, sorted (R50): for an open writer and for who serves reader VIPs
// the voters as the writer last wrote them, with those of a record whose fate is
// unknown. None: there is nothing to ask for, and nothing goes on.
func Promisers(v View) []HostID {
	if v.Term.Ending || !v.opened() && !v.carried() && (v.Term.Epoch > 0 || len(v.VIPs) == 0) {
		return nil
	}
	set := map[HostID]bool{}
	for _, id := range slices.Concat(v.Cluster.Reign.Value.Voters, v.Seen.Offered) {
		set[id] = true
	}
	delete(set, v.ID)
	return sortedKeys(set)
}

// carried reports whether this host reigns by promises alone: etcd has let go of
// its key, but all others promised to keep still, so it is open and may take the
// key again (R52).
func (v *View) carried() bool {
	gone := !v.Cluster.Writer.Present() && v.Cluster.Reign.Value.Epoch == v.Term.Epoch
	return v.Term.Epoch > 0 && !v.Term.Ending && v.Failsafe.Left > 0 && v.Cluster.Rev >= v.Term.Epoch &&
		(gone || v.retaking()) && v.Probe.Up && !v.Probe.ReadOnly
}

// retaking reports whether the watch shows already the key that this process is
// about to take again, of which it has not heard itself yet.
func (v *View) retaking() bool {
	w := v.Cluster.Writer
	return v.busy(Retake) && w.Present() && w.Value.ID == v.ID && w.Value.Previous == v.Term.Epoch && w.Lease == v.Lease.ID
}
