package topology

import (
	"fmt"
	"net/netip"
)

// fenceRules close. They come first, each is the last word when it holds, and
// none of them waits for anything.
var fenceRules = []Rule{
	{
		Name: "etcd-went-back", Last: true,
		Doc:  "etcd is older than what this host has seen (restored from a backup?): close, and open nothing until an operator has looked (R17).",
		When: wentBack,
		Then: (*View).distrust,
	},
	{
		Name: "lease-late", Last: true,
		Doc:  "The lease has run out or was not renewed in time: whatever this host serves, it stops serving.",
		When: when("the lease was not renewed in time", func(v *View) bool { return v.Lease.Left <= 0 }),
		Then: (*View).shut,
	},
	{
		Name: "mysqld-gone", Last: true,
		Doc:  "A reign belongs to one run of one mysqld: dead, hung or restarted, the reign is over, however short the gap (R19).",
		When: mysqldGone,
		Then: (*View).shut,
	},
	{
		Name: "ending", Last: true,
		Doc:  "A reign that is being given up is given up to the end; until then nothing else happens on this host (R8, R13).",
		When: when("the reign is being given up", func(v *View) bool { return v.Term.Epoch > 0 && v.Term.Ending }),
		Then: func(v *View) []Action {
			if v.busy(EndReign) {
				return nil
			}
			return one(Action{Kind: EndReign, Epoch: v.Term.Epoch})
		},
	},
	{
		Name: "reign-lost", Last: true,
		Doc: "etcd names another writer, or none, while this process still thinks that it reigns.",
		When: when("the writer key is no longer of this reign", func(v *View) bool {
			return v.Term.Epoch > 0 && !v.Term.Ending && v.Cluster.Rev >= v.Term.Epoch &&
				v.Cluster.Writer.Rev != v.Term.Epoch && !v.busy(HandOver) && !v.carried()
		}),
		Then: (*View).shut,
	},
	{
		Name: "foreign-key", Last: true,
		Doc: "The writer key names this host, but this process neither won it nor was handed it (R18).",
		When: when("the writer key names this host, but another process won it", func(v *View) bool {
			w := v.Cluster.Writer
			return w.Present() && w.Value.ID == v.ID && w.Rev != v.Term.Epoch && w.Rev > v.Seen.Ended && v.Cluster.Rev >= v.Seen.Rev &&
				!v.busy(Campaign, Adopt) && !v.handed() && !v.carried()
		}),
		Then: func(v *View) []Action { return one(Action{Kind: EndReign, Epoch: v.Cluster.Writer.Rev}) },
	},
	{
		Name: "stray-writable", Last: true,
		Doc:  "A server that is not the open writer is read-only; this is asserted again for ever.",
		When: when("the server is writable and should not be", (*View).strayWritable),
		Then: do(Action{Kind: Demote}),
	},
	{
		Name: "stranded", Last: true,
		Doc: "Sessions that wait for an acknowledgement on a host that is not writer can only be ended with mysqld itself (R12).",
		When: func(v *View) (string, bool) {
			return fmt.Sprintf("%d sessions wait for an acknowledgement that can never come here", v.Probe.Waiting),
				v.Probe.Up && v.Probe.Waiting > 0 && v.Term.Epoch == 0 && v.Cluster.Rev >= v.Seen.Rev
		},
		Then: do(Action{Kind: Demote}),
	},
	{
		Name: "old-view", Last: true,
		Doc:  "The view is older than what this process itself has written: wait for the watch.",
		When: when("the watch has not yet shown what this process wrote", func(v *View) bool { return v.Cluster.Rev < v.Seen.Rev || v.Cluster.Rev == 0 }),
	},
	{
		Name: "not-a-member", Last: true,
		Doc: "The cluster file does not name this host, or there is none yet: it serves nothing, and then gives up what it has claimed.",
		When: func(v *View) (string, bool) {
			_, member := v.me()
			return fmt.Sprintf("the cluster file does not name %s; add it and run `mmmctl apply`", v.Self), !member
		},
		Then: (*View).leave,
	},
}

// shut ends what this host serves, if it serves anything.
func (v *View) shut() []Action {
	switch {
	case v.Term.Epoch > 0 && !v.Term.Ending:
		return one(Action{Kind: EndReign, Epoch: v.Term.Epoch})
	case v.Probe.Up && !v.Probe.ReadOnly, len(v.VIPs) > 0:
		return one(Action{Kind: Demote})
	default:
		return nil
	}
}

// leave shuts a host that is no member, and then gives up its claims, one by one:
// as long as its agent lives their lease does, and nobody else could serve them.
// Nobody is to take them while the mode is PASSIVE.
func (v *View) leave() []Action {
	if acts := v.shut(); len(acts) > 0 || v.Cluster.ModeNow() == Passive {
		return acts
	}
	for _, vip := range sortedClaims(v.Cluster.Claims) {
		if c := v.Cluster.Claims[vip]; c.Value.ID == v.ID && c.Lease == v.Lease.ID {
			return one(Action{Kind: GiveUpVIP, VIPs: []netip.Addr{vip}})
		}
	}
	return nil
}

func mysqldGone(v *View) (string, bool) {
	switch {
	case v.Term.Epoch == 0 || v.Term.Ending:
		return "", false
	case v.Probe.Incarnation == "":
		return "mysqld died", true
	case v.Probe.Incarnation != v.Term.Incarnation:
		return "mysqld was restarted under the reign", true
	default:
		return "mysqld does not answer: " + v.Probe.Why, !v.Probe.Up
	}
}

func (v *View) strayWritable() bool {
	if !v.Probe.Up || v.Probe.ReadOnly || v.busy(Drain, OpenDoor) {
		return false
	}
	if v.Term.Epoch > 0 && !v.Term.Ending && v.Cluster.Rev < v.Term.Epoch {
		return false // a reign just resumed, confirmed by etcd: the watch has not shown it yet
	}
	_, drains := v.draining()
	if v.carried() {
		return false
	}
	return !v.opened() || (drains && v.Cluster.Switchover.Value.Step != Asked)
}

// handed reports whether the key was put for this process by a writer that
// handed over to it (R43).
func (v *View) handed() bool {
	s := v.Cluster.Switchover.Value
	return v.Cluster.Switchover.Present() && s.Step == Handed && s.Target == v.Self &&
		v.Cluster.Writer.Lease == v.Lease.ID && s.Epoch == v.Cluster.Writer.Value.Previous
}
