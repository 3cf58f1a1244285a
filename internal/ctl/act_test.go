package ctl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/internal/clusterfile"
	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
)

// moved is what the agents do for a switchover to db2 that works.
func moved() []func(c *topology.Cluster) {
	return []func(c *topology.Cluster){
		func(*topology.Cluster) {}, step(topology.Drained, ""), step(topology.TargetReady, ""), step(topology.Handed, ""), reign("db2", 120),
	}
}

// restarted makes a host AWAITING_RECOVERY.
func restarted(c *topology.Cluster, name string) {
	m := c.Memories[name]
	m.Value.Cleared = "inc-old"
	c.Memories[name] = m
}

func cleared(name string) func(c *topology.Cluster) {
	return func(c *topology.Cluster) {
		m := c.Memories[name]
		m.Value.Cleared = incOf(name)
		c.Memories[name] = m
	}
}

// halted makes all hosts distrust etcd: they had seen a revision, and a later reign.
func halted(seen, epoch topology.Rev) func(c *topology.Cluster) {
	return func(c *topology.Cluster) {
		reign := topology.Entry[topology.Reign]{Rev: seen - 1, Value: topology.Reign{Epoch: epoch, Name: "db1", Ackers: map[topology.HostID]topology.Incarnation{"id-db2": "x"}}}
		for _, h := range c.Spec.Value.Hosts {
			change(c, h.Name, func(r *topology.Report) {
				r.Halt = &topology.Distrust{Why: "went back", Seen: seen, At: 9, Reign: reign}
			})
		}
	}
}

func TestNewestRecordOfAReignIsPutBack(t *testing.T) {
	b := newBench(t, shop())
	halted(500, 400)(&b.store.cluster)
	change(&b.store.cluster, "db3", func(r *topology.Report) { r.Halt.Reign.Rev, r.Halt.Reign.Value.Name = 450, "db3" })
	b.Yes = true
	if err := b.RecoverEtcd(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if r := b.store.recovered; r.Reign == nil || r.Reign.Name != "db1" || r.Reign.Epoch != 400 || r.Recovered.Floor != 500 {
		t.Errorf("%+v", r)
	}
}

func recovers(force bool) func(ctx context.Context, b *bench) error {
	return func(ctx context.Context, b *bench) error { b.Yes = true; return b.RecoverEtcd(ctx, force) }
}

// TestCommands runs each command in a situation and looks at its exit code and
// its words.
func TestCommands(t *testing.T) {
	type do = func(ctx context.Context, b *bench) error
	switchTo := func(to string) do {
		return func(ctx context.Context, b *bench) error { b.Yes = true; return b.Switchover(ctx, to) }
	}
	online := func(h string) do { return func(ctx context.Context, b *bench) error { return b.SetOnline(ctx, h) } }
	offline := func(h string) do {
		return func(ctx context.Context, b *bench) error { b.Yes = true; return b.SetOffline(ctx, h) }
	}
	begin := func(h string) do {
		return func(ctx context.Context, b *bench) error { b.Yes = true; return b.Init(ctx, h) }
	}
	none := func(*topology.Cluster) {}
	for _, tt := range []struct {
		name   string
		change func(c *topology.Cluster)
		agents []func(c *topology.Cluster)
		run    do
		want   Exit
		says   string // in the output or in the error
	}{
		{"switchover to a named host", none, moved(), switchTo("db2"), ExitOK, "writer is db2 (epoch 120), moved from db1 in 0."},
		{"switchover to the best host", none, moved(), switchTo(""), ExitOK, "writer is db2"},
		{"switchover to the writer", none, nil, switchTo("db1"), ExitOK, "db1 is the writer already"},
		{"switchover to a host that is not there", none, nil, switchTo("db9"), ExitNotFound, `there is no host "db9"; the cluster has db1, db2, db3, db4`},
		{"switchover to a host of mode slave", none, nil, switchTo("db3"), ExitRefused, "db3  no   may not be writer by the cluster file"},
		{"switchover when nobody can", func(c *topology.Cluster) { lost(c, "db2") }, nil, switchTo(""), ExitRefused, "db2  no   is HARD_OFFLINE"},
		{"switchover in passive mode", func(c *topology.Cluster) { mode(c, topology.Passive) }, nil, switchTo("db2"), ExitRefused, "PASSIVE by alice@ops1: network work"},
		{"switchover in manual mode", func(c *topology.Cluster) { mode(c, topology.Manual) }, moved(), switchTo("db2"), ExitOK, "writer is db2"},
		{"switchover while one runs", func(c *topology.Cluster) {
			c.Switchover = entry(topology.Switchover{Kind: topology.OrderSwitchover, Target: "db2", Step: topology.Drained, Asked: noon}, 90)
		}, nil, switchTo("db2"), ExitRefused, "an order to db2 is under way"},
		{"switchover after one that was undone", func(c *topology.Cluster) {
			c.Switchover = entry(topology.Switchover{Kind: topology.OrderSwitchover, Target: "db2", Step: topology.Aborted, Asked: noon.Add(-time.Hour)}, 90)
		}, moved(), switchTo("db2"), ExitOK, "writer is db2"},
		{"switchover that is undone", none, []func(c *topology.Cluster){step(topology.Drained, ""), step(topology.Aborted, "undone: db2 went away; db1 is writer again and nothing was lost")},
			switchTo("db2"), ExitRefused, "undone: db2 went away"},
		{"switchover that nobody carries out", none, nil, func(ctx context.Context, b *bench) error {
			b.Yes, b.Timeout = true, time.Millisecond
			ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			defer cancel()
			return b.Switchover(ctx, "db2")
		}, ExitTimeout, "it is at step asked and the writer is db1 (epoch 7)"},
		{"switchover that another order replaced", none, []func(c *topology.Cluster){func(c *topology.Cluster) { c.Switchover.Value.Asked = noon.Add(time.Hour) }},
			switchTo("db2"), ExitTimeout, "was replaced by another one"},
		{"switchover without waiting", none, nil, func(ctx context.Context, b *bench) error {
			b.Yes, b.NoWait = true, true
			return b.Switchover(ctx, "db2")
		}, ExitOK, "ordered: the writer moves from db1 to db2"},
		{"switchover without anybody to ask", none, nil, func(ctx context.Context, b *bench) error { return b.Switchover(ctx, "db2") },
			ExitUsage, "add --yes"},
		{"switchover that is not confirmed", none, nil, func(ctx context.Context, b *bench) error {
			b.Confirm = func(string, string) (bool, error) { return false, nil }
			return b.Switchover(ctx, "db2")
		}, ExitRefused, "not confirmed; nothing was changed"},
		{"switchover without a writer in active mode", func(c *topology.Cluster) { lost(c, "db1") }, nil, switchTo("db2"), ExitRefused, "elected without an order"},
		{"switchover without a writer in manual mode", func(c *topology.Cluster) { mode(c, topology.Manual); lost(c, "db1") },
			[]func(c *topology.Cluster){none, reign("db2", 130)}, switchTo(""), ExitOK, "writer is db2 (epoch 130), elected"},
		{"election of a host of mode slave", func(c *topology.Cluster) { mode(c, topology.Manual); lost(c, "db1") }, nil, switchTo("db3"), ExitRefused, "may not be writer"},
		{"switchover before init", func(c *topology.Cluster) {
			lost(c, "db1")
			c.Reign = topology.Entry[topology.Reign]{}
		}, nil, switchTo("db2"), ExitRefused, "mmmctl init --writer HOST"},
		{"switchover while the writer opens", func(c *topology.Cluster) { c.Phase.Value.Step = topology.Opening }, nil, switchTo("db2"), ExitRefused, "db1 won epoch 7 and is opening"},

		{"set-online of a restarted host", func(c *topology.Cluster) { restarted(c, "db4") }, []func(c *topology.Cluster){none, cleared("db4")}, online("db4"), ExitOK, "db4 is ONLINE"},
		{"set-online of a host that is online", none, nil, online("db4"), ExitOK, "db4 is ONLINE already"},
		{"set-online of a dead host", func(c *topology.Cluster) { lost(c, "db4") }, nil, online("db4"), ExitRefused, "db4 is HARD_OFFLINE"},
		{"set-online of a lagging host", func(c *topology.Cluster) { fail(c, "db4", topology.CheckBacklog, "lag 12s") }, nil, online("db4"), ExitRefused, "REPLICATION_DELAY"},
		{"set-online of a host that does not come back", func(c *topology.Cluster) { restarted(c, "db4") }, nil, func(ctx context.Context, b *bench) error {
			b.Timeout = 20 * time.Millisecond
			return b.SetOnline(ctx, "db4")
		}, ExitTimeout, "db4 is not ONLINE after"},
		{"set-online of nobody", none, nil, online("db9"), ExitNotFound, `there is no host "db9"`},

		{"set-offline of a replica", none, nil, offline("db4"), ExitOK, "db4 is ADMIN_OFFLINE"},
		{"set-offline of the writer", none, moved(), offline("db1"), ExitOK, "writer is db2 (epoch 120), moved from db1"},
		{"set-offline of the writer without anybody to ask", none, nil, func(ctx context.Context, b *bench) error { return b.SetOffline(ctx, "db1") }, ExitUsage, "add --yes"},
		{"set-offline of the writer when nobody can take it", func(c *topology.Cluster) { lost(c, "db2") }, nil, offline("db1"), ExitRefused, "no host can take the writer role over"},
		{"set-offline of the writer that goes half way", none, append(moved(), func(c *topology.Cluster) { c.Intents["db1"] = entry(topology.Intent{}, 99) }),
			func(ctx context.Context, b *bench) error {
				b.Yes = true
				agents := b.store.agents
				b.store.agents = append(agents[:len(agents)-1:len(agents)-1], func(*topology.Cluster) { b.store.putErr = store.ErrGuard })
				return b.SetOffline(ctx, "db1")
			}, ExitPartly, "moved from db1"},
		{"set-offline of the last acker", func(c *topology.Cluster) { delete(c.Reign.Value.Ackers, "id-db3") }, nil, offline("db2"), ExitRefused, "the only host that acknowledges"},
		{"set-offline of a dead host", func(c *topology.Cluster) { lost(c, "db4") }, nil, offline("db4"), ExitRefused, "holds no lease"},

		{"init of a new cluster", unborn, []func(c *topology.Cluster){none, reign("db1", 12)}, begin("db1"), ExitOK, "writer is db1 (epoch 12), the first of shop"},
		{"init of a cluster that had a writer", none, nil, begin("db1"), ExitRefused, "has had a writer (db1, epoch 7)"},
		{"init with a host that lacks something", func(c *topology.Cluster) {
			unborn(c)
			change(c, "db3", func(r *topology.Report) { r.Received, r.Position = pos("0-1-48300"), pos("0-1-48300") })
		}, nil, begin("db1"), ExitRefused, "db1 lacks what db3 holds: 0-1-48300 there, 0-1-48213 here"},
		{"init with a host of mode slave", unborn, nil, begin("db4"), ExitRefused, "may not be writer"},
		{"init with a dead host", func(c *topology.Cluster) { unborn(c); lost(c, "db1") }, nil, begin("db1"), ExitRefused, "start mmmagent there"},
		{"init without anybody to acknowledge", func(c *topology.Cluster) { unborn(c); lost(c, "db2"); lost(c, "db3"); lost(c, "db4") }, nil, begin("db1"), ExitRefused, "nobody could acknowledge"},
		{"init while a host is down and nobody can be asked", func(c *topology.Cluster) { unborn(c); lost(c, "db4") }, nil,
			func(ctx context.Context, b *bench) error { return b.Init(ctx, "db1") }, ExitUsage, "add --yes"},

		{"recover-etcd of one that all believe", none, nil, recovers(false), ExitOK, "nothing to recover"},
		{"recover-etcd", halted(500, 400), nil, recovers(false), ExitOK, "all hosts that are heard believe etcd again"},
		{"recover-etcd while a host is silent", func(c *topology.Cluster) { halted(500, 400)(c); lost(c, "db4") }, nil, recovers(false), ExitRefused, "not heard: db4"},
		{"recover-etcd without a silent host", func(c *topology.Cluster) { halted(500, 400)(c); lost(c, "db4") }, nil, recovers(true), ExitOK, "believe etcd again"},
		{"recover-etcd of one that is far behind", halted(500_000, 400), nil, recovers(false), ExitRefused, "--bump-revision"},
		{"set-ip in active mode", none, nil, func(ctx context.Context, b *bench) error { return b.SetIP(ctx, "192.0.2.110", "db4") }, ExitRefused, "only in mode PASSIVE"},
		{"set-ip in passive mode", func(c *topology.Cluster) { mode(c, topology.Passive) }, nil, func(ctx context.Context, b *bench) error { return b.SetIP(ctx, "192.0.2.110", "db4") }, ExitOK, "192.0.2.110 is pinned to db4"},
		{"set-ip of the writer's VIP", func(c *topology.Cluster) { mode(c, topology.Passive) }, nil, func(ctx context.Context, b *bench) error { return b.SetIP(ctx, "192.0.2.113", "db2") }, ExitRefused, "wherever the writer is"},
		{"unpin of what is not pinned", none, nil, func(ctx context.Context, b *bench) error { return b.Unpin(ctx, "192.0.2.110") }, ExitNotFound, "is not pinned"},
		{"unpin", func(c *topology.Cluster) { c.Pins[addr(110)] = entry(topology.Pin{Host: "db4"}, 77) }, nil, func(ctx context.Context, b *bench) error { return b.Unpin(ctx, "192.0.2.110") }, ExitOK, "no longer pinned to db4"},
		{"move-role of readers", none, nil, func(ctx context.Context, b *bench) error { return b.MoveRole(ctx, "reader", "db2", false) }, ExitRefused, "balance themselves"},
		{"mode that is set already", none, nil, func(ctx context.Context, b *bench) error { return b.SetMode(ctx, topology.Active) }, ExitOK, "the mode is ACTIVE already"},
		{"checks of an unknown check", none, nil, func(ctx context.Context, b *bench) error { return b.Checks(ctx, "all", "disk") }, ExitNotFound, `there is no check "disk"`},
		{"no such cluster", func(c *topology.Cluster) { *c = topology.Cluster{} }, nil, func(ctx context.Context, b *bench) error { return b.Show(ctx) }, ExitNotFound, `no cluster "shop"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cl := shop()
			tt.change(&cl)
			b := newBench(t, cl)
			b.store.agents = tt.agents
			err := tt.run(context.Background(), b)
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
		})
	}
}

// unborn is a cluster that never had a writer.
func unborn(c *topology.Cluster) {
	c.Reign, c.Writer, c.Phase = topology.Entry[topology.Reign]{}, topology.Entry[topology.Writer]{}, topology.Entry[topology.Phase]{}
}

func TestRefusedOrderChangesNothing(t *testing.T) {
	b := newBench(t, shop())
	b.Yes = true
	if err := b.Switchover(context.Background(), "db3"); err == nil {
		t.Fatal("db3 is of mode slave")
	}
	if b.store.asked || len(b.store.events) > 0 {
		t.Error("something was written")
	}
}

func TestOrderSaysWhoWhyAndWhichReign(t *testing.T) {
	b := newBench(t, shop())
	b.Yes, b.NoWait, b.Reason = true, true, "kernel update"
	if err := b.Switchover(context.Background(), ""); err != nil {
		t.Fatal(err)
	}
	o := b.store.cluster.Switchover.Value
	if o.Kind != topology.OrderSwitchover || o.Target != "db2" || o.Step != topology.Asked || o.Epoch != 7 || o.Who != "bob@ops2" || o.Why != "kernel update" {
		t.Errorf("order %+v", o)
	}
	if got := o.Deadline.Sub(o.Asked); got != 30*time.Second {
		t.Errorf("the agents have %s", got)
	}
	if len(b.store.events) != 1 || b.store.events[0].What != "bob@ops2 ordered: switchover to db2" {
		t.Errorf("history %+v", b.store.events)
	}
}

func TestProgressGoesToStandardErrorOnly(t *testing.T) {
	b := newBench(t, shop())
	b.Yes, b.store.agents = true, moved()
	if err := b.Switchover(context.Background(), "db2"); err != nil {
		t.Fatal(err)
	}
	if strings.Count(b.out.String(), "\n") != 1 {
		t.Errorf("more than the outcome on standard output:\n%s", b.out)
	}
	for _, want := range []string{"db2  yes", "<- picked", "asked", "drained", "target-ready: db2 has everything", "handed", "done"} {
		if !strings.Contains(b.err.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.err)
		}
	}
}

func TestSetOfflineWritesTheIntentAfterTheWriterMoved(t *testing.T) {
	b := newBench(t, shop())
	b.Yes, b.store.agents = true, moved()
	if err := b.SetOffline(context.Background(), "db1"); err != nil {
		t.Fatal(err)
	}
	i := b.store.cluster.Intents["db1"]
	if i.Value.Want != topology.WantOffline || i.Value.Who != "bob@ops2" || i.Rev <= b.store.cluster.Switchover.Rev {
		t.Errorf("intent %+v, order at %d", i, b.store.cluster.Switchover.Rev)
	}
}

func TestStoreErrorsHaveExitCodes(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want Exit
		says string
	}{
		{"unreachable", fmt.Errorf("%w: http://127.0.0.1:2379: connection refused", store.ErrUnreachable), ExitUnreachable, "cannot reach etcd: http://127.0.0.1:2379: connection refused; start etcd there, or name"},
		{"unknown outcome", fmt.Errorf("set mode: %w", store.ErrUnknownOutcome), ExitTimeout, "may have happened or not"},
		{"changed in the same moment", fmt.Errorf("set mode: %w", store.ErrGuard), ExitRefused, "the cluster changed in the same moment"},
		{"anything else", errors.New("read spec: broken"), ExitError, "read spec: broken"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, shop())
			b.store.err = tt.err
			err := b.SetMode(context.Background(), topology.Manual)
			if ExitOf(err) != tt.want || !strings.Contains(Describe(err), tt.says) {
				t.Errorf("exit code %d, %q", ExitOf(err), Describe(err))
			}
		})
	}
}

func TestApply(t *testing.T) {
	same := string(clusterfile.Print(shopSpec()))
	replace := func(old, with string) string {
		if !strings.Contains(same, old) {
			t.Fatalf("%q is not in\n%s", old, same)
		}
		return strings.Replace(same, old, with, 1)
	}
	db4 := "  - {name: db4, address: 192.0.2.164, mode: slave}\n"
	for _, tt := range []struct {
		name   string
		change func(c *topology.Cluster)
		file   string
		dryRun bool
		want   Exit
		says   string // in all that was printed
		stored bool
	}{
		{"the same file", func(*topology.Cluster) {}, same, false, ExitOK, "is as cluster.yaml says already", false},
		{"a new cluster", func(c *topology.Cluster) { *c = topology.Cluster{Intents: c.Intents} }, same, false, ExitOK, "+ host db4 (192.0.2.164, slave)", true},
		{"another lease time", func(*topology.Cluster) {}, replace("ttl: 2s", "ttl: 3s"), false, ExitOK, "~ timing.ttl: 2s -> 3s", true},
		{"a dry run", func(*topology.Cluster) {}, replace("ttl: 2s", "ttl: 3s"), true, ExitOK, "1 change would be made; nothing was changed", false},
		{"a host less", func(*topology.Cluster) {}, replace(db4, ""), false, ExitOK, "- host db4 (192.0.2.164)", true},
		{"without the writer", func(*topology.Cluster) {}, replace("  - {name: db1, address: 192.0.2.161, mode: master, priority: 1}\n", ""), false, ExitRefused, "the file has no host db1, and that is the writer", false},
		{"the writer may not write", func(*topology.Cluster) {}, replace("192.0.2.161, mode: master", "192.0.2.161, mode: slave"), false, ExitRefused, "db1 may not be writer, and it is", false},
		{"the writer elsewhere", func(*topology.Cluster) {}, replace("192.0.2.161", "192.0.2.171"), false, ExitRefused, "changes the address or a port of db1", false},
		{"nobody left to acknowledge", func(c *topology.Cluster) {
			c.Reign.Value.Ackers = map[topology.HostID]topology.Incarnation{"id-db4": "inc-db4"}
		}, replace(db4, ""), false, ExitRefused, "no host would be left that acknowledges", false},
		{"another cluster", func(*topology.Cluster) {}, replace("cluster: shop", "cluster: shoe"), false, ExitRefused, `describes cluster "shoe"`, false},
		{"mistakes", func(*topology.Cluster) {}, replace("mode: slave", "mode: slav"), false, ExitError, `unknown mode "slav"`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cl := shop()
			tt.change(&cl)
			b := newBench(t, cl)
			before := b.store.cluster.Spec.Rev
			err := b.Apply(context.Background(), "cluster.yaml", []byte(tt.file), tt.dryRun)
			if ExitOf(err) != tt.want {
				t.Errorf("exit code %d, want %d", ExitOf(err), tt.want)
			}
			text := b.out.String() + b.err.String()
			if err != nil {
				text += Describe(err)
			}
			if !strings.Contains(text, tt.says) {
				t.Errorf("%q is missing in\n%s", tt.says, text)
			}
			if stored := b.store.cluster.Spec.Rev != before; stored != tt.stored {
				t.Errorf("stored: %v", stored)
			}
		})
	}
}

func TestClusterKeepsItsID(t *testing.T) {
	b := newBench(t, topology.Cluster{Intents: map[string]topology.Entry[topology.Intent]{}})
	file := clusterfile.Print(shopSpec())
	if err := b.Apply(context.Background(), "a", file, false); err != nil {
		t.Fatal(err)
	}
	file = bytes.Replace(file, []byte("ttl: 2s"), []byte("ttl: 4s"), 1)
	b.NewID = func() string { return "another" }
	if err := b.Apply(context.Background(), "a", file, false); err != nil {
		t.Fatal(err)
	}
	if s := b.store.cluster.Spec.Value; s.ID != "new-id" || s.Timing.TTL.D() != 4*time.Second {
		t.Errorf("id %q, ttl %s", s.ID, s.Timing.TTL)
	}
}

func TestConfigShowIsTakenBackByApply(t *testing.T) {
	b := newBench(t, shop())
	if err := b.ConfigShow(context.Background()); err != nil {
		t.Fatal(err)
	}
	file := bytes.Clone(b.out.Bytes())
	if err := b.Apply(context.Background(), "cluster.yaml", file, false); err != nil || b.store.asked {
		t.Errorf("%v, written: %v", err, b.store.asked)
	}
}
