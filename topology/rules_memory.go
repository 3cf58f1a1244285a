package topology

import (
	"fmt"
	"slices"
	"time"
)

// memoryRules keep what a host must not forget: whether its present mysqld is
// trusted, and how often it fell.
var memoryRules = []Rule{
	{
		Name: "join",
		Doc:  "A host that the cluster has never met writes down who it is.",
		When: when("the host joins the cluster", func(v *View) bool {
			return !v.memory().Present() && (v.Probe.Up || v.Probe.NoData)
		}),
		Then: func(v *View) []Action {
			return v.remember(Memory{ID: v.ID, Key: v.Failsafe.Key, Cleared: v.Probe.Incarnation, Seen: v.Probe.Incarnation, Since: v.Now})
		},
	},
	{
		Name: "new-identity",
		Doc:  "Another host bears a known name (a new datadir): nothing that was promised under the name holds for it (R48).",
		When: when("a new datadir bears this name", func(v *View) bool {
			return v.memory().Present() && v.memory().Value.ID != v.ID && v.Probe.Up || v.emptied()
		}),
		Then: func(v *View) []Action {
			return v.remember(Memory{ID: v.ID, Key: v.Failsafe.Key, Seen: v.Probe.Incarnation, Since: v.Now, Why: "a new datadir bears this name", Fresh: v.Cluster.Reign.Present()})
		},
	},
	{
		Name: "new-key",
		Doc:  "The host signs with another key than the one that is known of it: it writes the new one down (R49).",
		When: when("the host has a new key", func(v *View) bool {
			m := v.memory()
			return m.Present() && m.Value.ID == v.ID && v.Failsafe.Key != "" && m.Value.Key != v.Failsafe.Key
		}),
		Then: func(v *View) []Action {
			m := v.memory().Value
			m.Key = v.Failsafe.Key
			return v.remember(m)
		},
	},
	{
		Name: "restarted",
		Doc:  "mysqld was restarted: the host is AWAITING_RECOVERY from now on.",
		When: when("mysqld was restarted", func(v *View) bool {
			m := v.memory().Value
			return v.memory().Present() && m.ID == v.ID && v.Probe.Up && m.Cleared != v.Probe.Incarnation && m.Seen != v.Probe.Incarnation
		}),
		Then: func(v *View) []Action {
			m := v.memory().Value
			m.Seen, m.Since, m.Why, m.Asked = v.Probe.Incarnation, v.Now, "mysqld was restarted", 0
			m.Flaps = recent(append(slices.Clone(m.Flaps), v.Now), v.Now, v.Cluster.Spec.Value.Recovery.FlapDuration.D())
			return v.remember(m)
		},
	},
	{
		Name: "cleared",
		Doc:  "An operator said `set-online`, or replication has been good for `autoSetOnline`, or the host is the open writer: it is trusted again.",
		When: (*View).clearable,
		Then: func(v *View) []Action {
			m := v.memory().Value
			m.Cleared, m.Seen, m.Why = v.Probe.Incarnation, v.Probe.Incarnation, ""
			if v.askedOnline() {
				m.Flaps = nil
			}
			return v.remember(m)
		},
	},
}

// emptied reports whether a new datadir bears a known name and holds nothing that
// a server could start with, so that nobody waits for one to answer (R48).
func (v *View) emptied() bool {
	return v.memory().Present() && v.memory().Value.ID != v.ID && v.Probe.NoData
}

func (v *View) memory() Entry[Memory] { return v.Cluster.Memories[v.Self] }

func (v *View) remember(m Memory) []Action {
	return one(Action{Kind: Remember, Memory: &m, Guards: Guards{Memory: v.memory().Rev}})
}

// clearable says whether and why a host that awaits recovery has recovered.
func (v *View) clearable() (string, bool) {
	m := v.memory().Value
	if !v.memory().Present() || m.ID != v.ID || !v.Probe.Up || m.Cleared == v.Probe.Incarnation || m.Seen != v.Probe.Incarnation {
		return "", false
	}
	auto := v.Cluster.Spec.Value.Recovery.AutoSetOnline.D()
	good := !v.Seen.Good.IsZero()
	switch {
	case v.opened():
		return "the host is the writer", true
	case v.askedOnline() && good:
		i := v.Cluster.Intents[v.Self].Value
		return "an operator set it online" + by(i.Who, i.Why), true
	case auto > 0 && good && v.Now.Sub(v.Seen.Good) >= auto && !factsOf(v.Cluster, v.Self, v.Now).flapping():
		return fmt.Sprintf("replication has been good for %s", auto), true
	default:
		return "", false
	}
}

// askedOnline reports whether `set-online` was said after the host wrote down
// that it fell. Revisions tell which came first; clocks of two machines do not.
func (v *View) askedOnline() bool {
	i := v.Cluster.Intents[v.Self]
	return i.Present() && i.Value.Want == WantOnline && (i.Rev > v.memory().Rev || i.Rev == v.memory().Value.Asked)
}

// noteDown writes memory for a cause that takes nothing back of what an operator
// has said: his set-online counts as if it had come after it.
func (v *View) noteDown(m Memory) []Action {
	if v.askedOnline() {
		m.Asked = v.Cluster.Intents[v.Self].Rev
	}
	return v.remember(m)
}

// recent keeps the times within the window, newest last.
func recent(times []time.Time, now time.Time, window time.Duration) []time.Time {
	return slices.DeleteFunc(times, func(t time.Time) bool { return now.Sub(t) > window })
}
