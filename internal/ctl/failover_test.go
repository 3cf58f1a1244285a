package ctl

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/mmm-ha/mmm/topology"
)

// bereft is a cluster whose writer db1 and whose acker db3 are gone: db2 and db4
// have bid, and db3 may hold what nobody else has.
func bereft(c *topology.Cluster) {
	lost(c, "db1")
	lost(c, "db3")
	for _, name := range []string{"db2", "db4"} {
		c.Bids[idOf(name)] = entry(topology.Bid{After: 7, Name: name, Incarnation: incOf(name), Received: pos("0-1-48213")}, 60)
	}
}

func TestFailover(t *testing.T) {
	try := func(to string, accept bool) func(*bench) error {
		return func(b *bench) error { return b.Failover(context.Background(), to, accept) }
	}
	yes := func(to string) func(*bench) error {
		return func(b *bench) error { b.Yes = true; return b.Failover(context.Background(), to, true) }
	}
	elected := []func(c *topology.Cluster){func(*topology.Cluster) {}, func(c *topology.Cluster) {
		c.Tombstones = map[topology.Rev]topology.Entry[topology.Tombstone]{7: entry(topology.Tombstone{Epoch: 7, Loss: *c.Switchover.Value.Loss}, 130)}
		reign("db2", 130)(c)
	}}
	for _, tt := range []struct {
		name   string
		change func(c *topology.Cluster)
		agents []func(c *topology.Cluster)
		run    func(*bench) error
		want   Exit
		says   string
	}{
		{"without the flag it names who is missing", bereft, nil, try("db2", false), ExitRefused, "  db3  down\n  db1  the last writer; down\nsafe: everything up to 0-1-48213\nmay be lost: everything after 0-1-48213 that only db3, db1 held"},
		{"without the flag it says how to go on", bereft, nil, try("db2", false), ExitRefused, "`mmmctl failover --to db2 --accept-loss` goes on without them"},
		{"with the flag", bereft, elected, yes("db2"), ExitOK, "writer is db2 (epoch 130), elected in 0."},
		{"with the flag, what was lost", bereft, elected, yes("db2"), ExitOK, "given up: everything after 0-1-48213 that only db3, db1 held"},
		{"with nobody to ask", bereft, nil, try("db2", true), ExitUsage, "add --yes"},
		{"not confirmed", bereft, nil, func(b *bench) error {
			b.Confirm = func(_, word string) (bool, error) { return word != "db2", nil }
			return b.Failover(context.Background(), "db2", true)
		}, ExitRefused, "not confirmed; nothing was changed"},
		{"while there is a writer", func(*topology.Cluster) {}, nil, yes("db2"), ExitRefused, "db1 holds the writer's place (epoch 7)"},
		{"when nothing is missing", func(c *topology.Cluster) {
			bereft(c)
			delete(c.Reign.Value.Ackers, "id-db3")
		}, nil, yes("db2"), ExitRefused, "nothing is missing: 1 of 1 ackers bid, 1 needed; db2 is about to take over"},
		{"to a host of mode slave", bereft, nil, yes("db4"), ExitRefused, "db4 may not be writer by the cluster file"},
		{"to a missing host", bereft, nil, yes("db1"), ExitRefused, "db1 is down: its agent holds no lease"},
		{"to nobody", bereft, nil, yes("db9"), ExitNotFound, `there is no host "db9"`},
		{"to a host whose mysqld is down", func(c *topology.Cluster) {
			bereft(c)
			change(c, "db2", func(r *topology.Report) { r.MySQL = topology.Health{Why: "it died"} })
		}, nil, yes("db2"), ExitRefused, "mysqld of db2 is down: it died"},
		{"to a host that somebody wrote on", func(c *topology.Cluster) {
			bereft(c)
			c.Bids["id-db2"] = entry(topology.Bid{After: 7, Name: "db2", Incarnation: "inc-db2", Received: pos("0-1-48213"), Broken: "it holds 0-2-48214, which the last writer never had"}, 60)
		}, nil, yes("db2"), ExitRefused, "db2 is no copy of the last writer's data: it holds 0-2-48214, which the last writer never had; name another host"},
		{"to a host that is no candidate yet", func(c *topology.Cluster) { bereft(c); c.Reign.Value.Voters = nil }, nil, yes("db2"), ExitRefused, "was added after the last writer"},
		{"in passive mode", func(c *topology.Cluster) { bereft(c); mode(c, topology.Passive) }, nil, yes("db2"), ExitRefused, "PASSIVE by alice@ops1"},
		{"in manual mode, where nobody has bid", func(c *topology.Cluster) {
			bereft(c)
			mode(c, topology.Manual)
			clear(c.Bids)
		}, elected, yes("db2"), ExitOK, "given up: everything after 0-1-48213 that only db3, db1 held"},
		{"in manual mode, when all are there", func(c *topology.Cluster) {
			lost(c, "db1")
			c.Reign.Value.ID = "id-db2"
			c.Reign.Value.Incarnation = "inc-db2"
			delete(c.Reign.Value.Ackers, "id-db2")
			mode(c, topology.Manual)
		}, nil, yes("db2"), ExitRefused, "nobody is missing; in mode MANUAL"},
		{"before init", func(c *topology.Cluster) { unborn(c) }, nil, yes("db2"), ExitRefused, "mmmctl init --writer HOST"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cl := shop()
			tt.change(&cl)
			b := newBench(t, cl)
			b.store.agents = tt.agents
			err := tt.run(b)
			if got := ExitOf(err); got != tt.want {
				t.Errorf("exit code %d, want %d", got, tt.want)
			}
			text := b.out.String()
			if err != nil {
				text = Describe(err)
			}
			if !strings.Contains(text, tt.says) {
				t.Errorf("%q is missing in\n%s\nremarks\n%s", tt.says, text, b.err)
			}
			if tt.want != ExitOK && b.store.asked {
				t.Error("something was written")
			}
		})
	}
}

// A script gets the range and the missing hosts from a refusal too.
func TestRefusedFailoverIsReadableByAScript(t *testing.T) {
	cl := shop()
	bereft(&cl)
	b := newBench(t, cl)
	b.Format = JSON
	if got := ExitOf(b.Failover(context.Background(), "db2", false)); got != ExitRefused {
		t.Fatalf("exit code %d", got)
	}
	var doc struct {
		Kind string
		OK   bool
		Loss struct {
			Kept    string
			Missing []struct{ Name, Why string }
		}
	}
	if err := json.Unmarshal(b.out.Bytes(), &doc); err != nil {
		t.Fatalf("%v in %s", err, b.out)
	}
	if doc.Kind != "Failover" || doc.OK || doc.Loss.Kept != "0-1-48213" || len(doc.Loss.Missing) != 2 || doc.Loss.Missing[0].Name != "db3" {
		t.Errorf("got %+v", doc)
	}
}

func TestStatusShowsWhatWasGivenUpUntilItIsResolved(t *testing.T) {
	cl := shop()
	cl.Tombstones = map[topology.Rev]topology.Entry[topology.Tombstone]{3: entry(topology.Tombstone{Epoch: 3, To: "db1", Who: "bob@ops2", At: noon.Add(-5e9), Hosts: []topology.HostID{"id-db4"},
		Loss: topology.Loss{Kept: pos("0-2-40"), Missing: []topology.Missing{{ID: "id-db4", Name: "db4"}, {ID: "id-db3", Name: "db3"}}}}, 6)}
	b := newBench(t, cl)
	if got := ExitOf(b.Status(context.Background(), true)); got != ExitWarn {
		t.Errorf("exit code %d, want %d", got, ExitWarn)
	}
	for _, want := range []string{"the end of epoch 3 was given up 5s ago by bob@ops2 to make db1 the writer: everything after 0-2-40 that only db4, db3 held", "not back since: db4\n",
		"db4   reader  AWAITING_RECOVERY", "look at them, then `mmmctl set-online db4`"} {
		if !strings.Contains(b.out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.out)
		}
	}
}
