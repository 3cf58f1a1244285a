package storm

import (
	"slices"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/history"
	"github.com/mmm-ha/mmm/topology"
)

func named(t *testing.T, name string) class {
	t.Helper()
	all := classesFor(true)
	i := slices.IndexFunc(all, func(c class) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("no class %s", name)
	}
	return all[i]
}

func fast() topology.Timing {
	const ms = topology.Duration(time.Millisecond)
	return topology.Timing{Profile: "fast", TTL: 1000 * ms, Probe: 50 * ms, ProbeLimit: 500 * ms, Misses: 2}
}

// The limits are what RELIABILITY.md promises, at a lease of one second. A run
// that breaks one is a failure: they are no place for a machine's slowness.
func TestLimitsFollowFromTheTimings(t *testing.T) {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	for _, c := range []struct {
		class       string
		hits, leads bool
		writes, vip time.Duration
		changes     int
	}{
		{"kill", true, false, ms(1000), ms(1000), 1},
		{"crash", true, true, ms(1000), ms(1000), 1}, // etcd is not hit
		{"stop", false, true, ms(1000), ms(1000), 0},
		{"hang", true, false, ms(3000), ms(3000), 1},
		{"hang", false, false, ms(2000), ms(3000), 0},
		{"agent-restart", true, false, ms(1000), ms(1000), 0},
		{"agent-freeze", true, false, ms(3000), ms(3000), 1},
		{"host-kill", true, false, ms(3000), ms(3000), 1},
		{"host-kill", true, true, ms(5000), ms(5000), 1},
		{"host-kill", false, false, ms(2000), ms(3000), 0},
		{"cut", false, true, ms(5000), ms(5000), 1}, // one promise is missing while etcd elects
		{"cut-pair", false, true, ms(2000), ms(3000), 0},
		{"etcd-leader", false, true, ms(1000), ms(1000), 0},
		{"etcd-all", false, true, ms(1000), ms(1000), 0},
		{"switchover", false, false, ms(2000), ms(2000), 1},
		{"disk-readonly", true, false, ms(6000), ms(6000), 2},
		{"disk-stall", false, false, ms(2000), ms(6000), 0},
		{"router-kill", false, false, ms(1000), ms(1000), 0},
		{"router-freeze", false, false, ms(1000), ms(3000), 0},
		{"router-cable", false, true, ms(1000), ms(3000), 0},
	} {
		class := named(t, c.class)
		writes, vip := class.limits(fast(), c.hits, c.leads)
		if n := class.failovers(fast(), c.hits, c.leads, false); writes != c.writes || vip != c.vip || n != c.changes {
			t.Errorf("%s, hits %t, leads %t: writes %v, VIPs %v, changes %d; want %v, %v, %d", c.class, c.hits, c.leads, writes, vip, n, c.writes, c.vip, c.changes)
		}
	}
	slow := fast()
	slow.TTL *= 2
	if writes, _ := named(t, "cut").limits(slow, true, false); writes != 5*time.Second {
		t.Errorf("a lease of two seconds: %v", writes)
	}
	if n := named(t, "cut").failovers(slow, false, true, false); n != 0 {
		t.Errorf("a lease of two seconds outlives an election of etcd: %d changes", n)
	}
}

func TestOnlyWhatHitsTheWriterMayStallWrites(t *testing.T) {
	on := func(name, host string) history.Fault {
		r := &running{planned: planned{class: named(t, name), on: onWriter}, act: act{host: host}}
		r.record = history.Fault{Writer: "db1", Begin: 0, Healed: history.Time(4 * second), GapLimit: second, VIPLimit: second}
		(&strikes{}).extend(r)
		return r.record
	}
	for _, c := range []struct {
		class, host string
		writes, vip time.Duration
	}{
		{"disk-stall", "db1", second, second}, // it is noticed
		{"disk-full-briefly", "db3", second, second},
		{"disk-full-briefly", "db1", 65 * second, second}, // MariaDB looks again once a minute
		{"arp", "db3", second, 5 * second},
		{"announce", "db2", 5 * second, 5 * second},
		{"kill", "db1", second, second},
	} {
		if f := on(c.class, c.host); f.GapLimit != c.writes || f.VIPLimit != c.vip {
			t.Errorf("%s on %s: %v and %v, want %v and %v", c.class, c.host, f.GapLimit, f.VIPLimit, c.writes, c.vip)
		}
	}
}
