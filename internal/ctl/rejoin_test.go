package ctl

import (
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// parted makes a host hold what the writer never had.
func parted(c *topology.Cluster, name string) {
	e := c.Hosts[idOf(name)]
	e.Value.Foreign = []string{"0-3-48214"}
	c.Hosts[idOf(name)] = e
}

// brought is what the host's agent does when an order has been carried out, or
// refused with a cause.
func brought(name, refused string) func(c *topology.Cluster) {
	return func(c *topology.Cluster) {
		delete(c.Rejoins, name)
		e := c.Hosts[idOf(name)]
		e.Value.Repair = &topology.Repair{Refused: refused, Archive: "/var/lib/mmm/rewound/0-3-48214_5e1f"}
		if refused == "" {
			e.Value.Foreign = nil
		}
		c.Hosts[idOf(name)] = e
	}
}

func TestRejoinSaysWhatItDidOrWhyNot(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(c *topology.Cluster)
		agents []func(c *topology.Cluster)
		host   string
		want   Exit
		says   string
	}{
		{"carried out", func(c *topology.Cluster) { parted(c, "db3") }, []func(*topology.Cluster){func(*topology.Cluster) {}, brought("db3", "")}, "db3", ExitOK, "db3 follows db1 again; what it gave up lies in /var/lib/mmm/rewound/0-3-48214_5e1f"},
		{"refused by the host", func(c *topology.Cluster) { parted(c, "db3") }, []func(*topology.Cluster){brought("db3", "it cannot be undone: table app.x does not roll back")}, "db3", ExitRefused, "app.x does not roll back"},
		{"not in time", func(c *topology.Cluster) { parted(c, "db3") }, nil, "db3", ExitTimeout, "the order stands"},
		{"given up, and behind as far as anybody can tell", func(c *topology.Cluster) {
			c.Tombstones = map[topology.Rev]topology.Entry[topology.Tombstone]{6: entry(topology.Tombstone{Epoch: 6, Hosts: []topology.HostID{"id-db3"}}, 60)}
		}, []func(*topology.Cluster){brought("db3", "")}, "db3", ExitOK, "db3 follows db1 again"},
		{"nothing to repair", func(*topology.Cluster) {}, nil, "db3", ExitRefused, "db3 is EQUAL"},
		{"the writer", func(*topology.Cluster) {}, nil, "db1", ExitRefused, "is the writer"},
		{"nobody to follow", func(c *topology.Cluster) { c.Writer = topology.Entry[topology.Writer]{} }, nil, "db3", ExitRefused, "there is no writer"},
		{"no agent", func(c *topology.Cluster) { delete(c.Hosts, "id-db3") }, nil, "db3", ExitRefused, "holds no lease"},
		{"nothing but a copy helps", func(c *topology.Cluster) {
			e := c.Hosts["id-db3"]
			e.Value.Replication.Error = "IO thread: error 1236: Could not find GTID state requested by slave in any binlog files"
			c.Hosts["id-db3"] = e
		}, nil, "db3", ExitRefused, "db3 is SHORT"},
		{"no such host", func(*topology.Cluster) {}, nil, "db9", ExitNotFound, "there is no host"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := shop()
			tt.change(&c)
			b := newBench(t, c)
			b.store.agents, b.Yes, b.Timeout = tt.agents, true, 50*time.Millisecond
			err := b.Rejoin(t.Context(), tt.host)
			text := b.out.String()
			if err != nil {
				text += err.Error()
			}
			if ExitOf(err) != tt.want || !strings.Contains(text, tt.says) {
				t.Errorf("exit %d: %s; want %d and %q", ExitOf(err), text, tt.want, tt.says)
			}
		})
	}
}

// A change that `apply` does not see is never stored.
func TestApplySeesAnotherPolicyForHostsThatCannotFollow(t *testing.T) {
	old, changed := shopSpec(), shopSpec()
	changed.Recovery.Rejoin = topology.RejoinManual
	if got := diff(old, changed); len(got) == 0 {
		t.Error("it sees no change")
	}
	old.Recovery.Rejoin = topology.RejoinRewind // what none stored before means
	if got := diff(shopSpec(), old); len(got) != 0 {
		t.Errorf("it sees a change in what is the default: %v", got)
	}
}
