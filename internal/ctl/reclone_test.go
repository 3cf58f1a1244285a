package ctl

import (
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// roomy gives every host the space, the keys and the port that copies take.
func roomy(c *topology.Cluster) {
	for id, e := range c.Hosts {
		e.Value.Space, e.Value.Peer = topology.Space{Data: 1 << 30, Free: 5 << 30}, 9989
		c.Hosts[id] = e
		m := c.Memories[e.Value.Name]
		m.Value.ID, m.Value.Key = id, "key"
		c.Memories[e.Value.Name] = m
	}
}

func reports(c *topology.Cluster, name string, do func(r *topology.Report)) {
	e := c.Hosts[idOf(name)]
	do(&e.Value)
	c.Hosts[idOf(name)] = e
}

func TestRecloneSaysWhatItDidOrWhyNot(t *testing.T) {
	copied := func(c *topology.Cluster) { delete(c.Rejoins, "db3") }
	for _, tt := range []struct {
		name   string
		change func(c *topology.Cluster)
		agents []func(c *topology.Cluster)
		host   string
		order  Reclone
		want   Exit
		says   string
	}{
		{"carried out", func(*topology.Cluster) {}, []func(*topology.Cluster){func(*topology.Cluster) {}, copied}, "db3", Reclone{}, ExitOK, "db3 follows db1 again"},
		{"not in time", func(*topology.Cluster) {}, nil, "db3", Reclone{}, ExitTimeout, "the order stands"},
		{"the writer", func(*topology.Cluster) {}, nil, "db1", Reclone{}, ExitRefused, "is the writer"},
		{"nobody to follow", func(c *topology.Cluster) { c.Writer = topology.Entry[topology.Writer]{} }, nil, "db3", Reclone{}, ExitRefused, "there is no writer"},
		{"no agent", func(c *topology.Cluster) { delete(c.Hosts, "id-db3") }, nil, "db3", Reclone{}, ExitRefused, "holds no lease"},
		{"from the writer", func(*topology.Cluster) {}, nil, "db3", Reclone{From: "db1"}, ExitRefused, "--from-writer"},
		{"from itself", func(*topology.Cluster) {}, nil, "db3", Reclone{From: "db3"}, ExitRefused, "nobody can give it a copy"},
		{"from nobody", func(*topology.Cluster) {}, nil, "db3", Reclone{From: "db9"}, ExitNotFound, "there is no host"},
		{"no room", func(c *topology.Cluster) { reports(c, "db3", func(r *topology.Report) { r.Space.Free = 1 << 30 }) }, nil, "db3", Reclone{}, ExitRefused, "takes 1.3 GiB and db3 has 1.0 GiB free"},
		{"no tool", func(c *topology.Cluster) {
			reports(c, "db3", func(r *topology.Report) {
				r.NoTools = "find mbstream: it is not installed; install the package mariadb-backup"
			})
		}, nil, "db3", Reclone{}, ExitRefused, "install the package mariadb-backup"},
		{"the only one that acknowledges", func(c *topology.Cluster) {
			c.Reign.Value.Ackers = map[topology.HostID]topology.Incarnation{"id-db3": "x"}
		}, nil, "db3", Reclone{}, ExitRefused, "the only host that acknowledges"},
		{"given up", func(c *topology.Cluster) {
			c.Tombstones = map[topology.Rev]topology.Entry[topology.Tombstone]{6: entry(topology.Tombstone{Epoch: 6, Hosts: []topology.HostID{"id-db3"}}, 60)}
		}, nil, "db3", Reclone{}, ExitRefused, "look at them first"},
		{"nothing to take back", func(*topology.Cluster) {}, nil, "db3", Reclone{Cancel: true}, ExitRefused, "nobody has ordered"},
		{"taken back", func(c *topology.Cluster) {
			c.Rejoins["db3"] = entry(topology.RejoinOrder{How: topology.RejoinReclone}, 90)
		}, nil, "db3", Reclone{Cancel: true}, ExitOK, "is taken back"},
		{"no such host", func(*topology.Cluster) {}, nil, "db9", Reclone{}, ExitNotFound, "there is no host"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := shop()
			roomy(&c)
			tt.change(&c)
			b := newBench(t, c)
			b.store.agents, b.Yes, b.Timeout = tt.agents, true, 50*time.Millisecond
			err := b.Reclone(t.Context(), tt.host, tt.order)
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

// Before anything is done the operator reads what goes, what stays, and what it takes.
func TestRecloneSaysBeforeWhatGoesAndWhatStays(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(c *topology.Cluster)
		says   []string
	}{
		{"healthy", func(*topology.Cluster) {}, []string{"a copy of ", "about 1.0 GiB", "1.3 GiB of the 5.0 GiB that are free", "They are removed when db3 follows again."}},
		{"diverged", func(c *topology.Cluster) { parted(c, "db3") }, []string{"(0-3-48214, and whatever came after) is archived", "if it could not be archived they stay"}},
		{"down", func(c *topology.Cluster) { reports(c, "db3", func(r *topology.Report) { r.MySQL.Up = false }) }, []string{"nobody can see what only they hold"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := shop()
			roomy(&c)
			tt.change(&c)
			b := newBench(t, c)
			asked := ""
			b.Confirm = func(question, _ string) (bool, error) { asked = question; return false, nil }
			if err := b.Reclone(t.Context(), "db3", Reclone{}); ExitOf(err) != ExitRefused || len(b.store.cluster.Rejoins) > 0 {
				t.Errorf("%v, orders %v", err, b.store.cluster.Rejoins)
			}
			for _, text := range tt.says {
				if !strings.Contains(asked, text) {
					t.Errorf("it does not say %q:\n%s", text, asked)
				}
			}
		})
	}
}

func TestStatusShowsHowFarACopyIs(t *testing.T) {
	c := shop()
	reports(&c, "db3", func(r *topology.Report) {
		r.Repair = &topology.Repair{Doing: "copies db4", Bytes: 1 << 29, Total: 1 << 30, Since: newBench(t, c).now().Add(-4 * time.Second)}
	})
	b := newBench(t, c)
	if err := b.Status(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if out := b.out.String(); !strings.Contains(out, "copies db4: 512.0 MiB of about 1.0 GiB (50%), 128.0 MiB/s, 4s left") {
		t.Errorf("status says\n%s", out)
	}
}
