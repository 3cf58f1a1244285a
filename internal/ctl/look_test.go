package ctl

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/mmm-ha/mmm/topology"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew instead of comparing")

// situations are the clusters that every view is compared for.
var situations = []struct {
	name   string
	change func(c *topology.Cluster)
}{
	{"well", func(*topology.Cluster) {}},
	{"replica_lags", func(c *topology.Cluster) {
		lag := topology.Duration(12100 * time.Millisecond)
		change(c, "db3", func(r *topology.Report) { r.Lag, r.Position = &lag, pos("0-1-47001") })
		fail(c, "db3", topology.CheckBacklog, "lag 12.1s is above 10s")
	}},
	{"replica_broken", func(c *topology.Cluster) {
		change(c, "db4", func(r *topology.Report) {
			r.Lag = nil
			r.Replication.IO, r.Replication.Error = "Connecting", "error 2003 connecting to 192.0.2.161:3309"
		})
		fail(c, "db4", topology.CheckThreads, "the IO thread is Connecting: error 2003")
	}},
	{"one_acker_left", func(c *topology.Cluster) {
		lost(c, "db3")
		lost(c, "db4")
		delete(c.Reign.Value.Ackers, "id-db3")
	}},
	{"writer_lost", func(c *topology.Cluster) { lost(c, "db1"); lost(c, "db3") }},
	{"winner_catches_up", func(c *topology.Cluster) {
		lost(c, "db1")
		c.Writer = entry(topology.Writer{ID: "id-db2", Name: "db2"}, 60)
		c.Phase = entry(topology.Phase{Epoch: 60, Step: topology.Opening, Waiting: "waits until one of db1 db3 db4 acknowledges the epoch row"}, 61)
	}},
	{"passive", func(c *topology.Cluster) { mode(c, topology.Passive) }},
	{"manual_without_writer", func(c *topology.Cluster) { mode(c, topology.Manual); lost(c, "db1") }},
	{"preferred_host", func(c *topology.Cluster) { c.Spec.Value.Roles.Writer.Prefer = "db1" }},
	{"preferred_host_elsewhere", func(c *topology.Cluster) { c.Spec.Value.Roles.Writer.Prefer = "db2" }},
	{"unfenced", func(c *topology.Cluster) {
		for _, n := range []string{"db1", "db2"} {
			change(c, n, func(r *topology.Report) { r.Fence = "none" })
		}
	}},
	{"handicapped", func(c *topology.Cluster) {
		change(c, "db2", func(r *topology.Report) { r.Replication.Delay = topology.Duration(time.Minute) })
		for i, h := range c.Spec.Value.Hosts {
			change(c, h.Name, func(r *topology.Report) { r.Version = "11.4.5-MariaDB" })
			if h.Name == "db4" {
				change(c, h.Name, func(r *topology.Report) { r.Version = "10.11.14-MariaDB" })
				c.Spec.Value.Hosts[i].Tags = []string{topology.TagNoFailover}
			}
		}
		c.Spec.Value.Hosts[2].Mode = topology.Master
	}},
	{"offline_and_restarted", func(c *topology.Cluster) {
		c.Intents["db4"] = entry(topology.Intent{Want: topology.WantOffline, Who: "alice@ops1", Why: "new disks", Since: noon.Add(-time.Hour)}, 40)
		m := c.Memories["db3"]
		m.Value.Cleared, m.Value.Seen, m.Value.Why = "inc-old", "inc-db3", "mysqld was restarted"
		c.Memories["db3"] = m
		for vip, claim := range c.Claims {
			if claim.Value.Name == "db4" {
				c.Claims[vip] = entry(topology.Claim{ID: "id-db2", Name: "db2"}, 41)
			}
		}
	}},
	{"new_cluster", func(c *topology.Cluster) {
		c.Reign = topology.Entry[topology.Reign]{}
		c.Writer, c.Phase = topology.Entry[topology.Writer]{}, topology.Entry[topology.Phase]{}
	}},
	{"order_under_way", func(c *topology.Cluster) {
		c.Switchover = entry(topology.Switchover{
			Kind: topology.OrderSwitchover, Target: "db2", Step: topology.Drained, Epoch: 7, Who: "alice@ops1",
			Why: "kernel update", Asked: noon.Add(-2 * time.Second), Deadline: noon.Add(28 * time.Second),
		}, 70)
	}},
}

// golden compares with a file of testdata, or writes it with -rewrite.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

// view is one thing that an operator asks for.
type view struct {
	name string
	run  func(b *bench) error
}

// asked is what an operator is told of a cluster, by each view.
func asked(t *testing.T, cl topology.Cluster, events []topology.Event, views ...view) string {
	t.Helper()
	// The time zone is the reader's; the golden files are in UTC.
	local := time.Local
	time.Local = time.UTC
	defer func() { time.Local = local }()
	var all strings.Builder
	for _, v := range views {
		b := newBench(t, cl)
		b.store.events = events
		b.Members = func(context.Context) (Quorum, error) { return Quorum{Healthy: 3, Total: 3}, nil }
		if err := v.run(b); err != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
		all.WriteString("$ mmmctl " + v.name + "\n" + b.out.String() + b.err.String() + "\n")
	}
	return all.String()
}

// TestViews compares show, status, checks and explain in every situation with
// testdata/<situation>.txt.
func TestViews(t *testing.T) {
	events := []topology.Event{{At: noon.Add(-41 * time.Second), Host: "db2", What: "claimed 192.0.2.110", Why: "nobody served it"}}
	for _, s := range situations {
		t.Run(s.name, func(t *testing.T) {
			cl := shop()
			s.change(&cl)
			golden(t, s.name+".txt", asked(t, cl, events,
				view{"show", func(b *bench) error { return b.Show(context.Background()) }},
				view{"status", func(b *bench) error { return b.Status(context.Background(), false) }},
				view{"checks", func(b *bench) error { return b.Checks(context.Background(), "", "") }},
				view{"explain", func(b *bench) error { return b.Explain(context.Background(), "") }},
				view{"explain db3", func(b *bench) error { return b.Explain(context.Background(), "db3") }},
			))
		})
	}
}

func TestShowIsMMMsFormatToTheLetter(t *testing.T) {
	b := newBench(t, shop())
	delete(b.store.cluster.Claims, addr(112))
	if err := b.Show(context.Background()); err != nil {
		t.Fatal(err)
	}
	want := `  db1(192.0.2.161) master/ONLINE. Roles: writer(192.0.2.113)
  db2(192.0.2.162) master/ONLINE. Roles: reader(192.0.2.110)
  db3(192.0.2.163) slave/ONLINE. Roles: reader(192.0.2.111)
  db4(192.0.2.164) slave/ONLINE. Roles: ` + "\n"
	if b.out.String() != want {
		t.Errorf("got\n%q\nwant\n%q", b.out.String(), want)
	}
}

func TestStatusCheckHasExitCodes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(c *topology.Cluster)
		quorum Quorum
		want   Exit
	}{
		{"all is well", func(*topology.Cluster) {}, Quorum{3, 3}, ExitOK},
		{"an etcd member is gone", func(*topology.Cluster) {}, Quorum{2, 3}, ExitWarn},
		{"a single etcd member is as it was set up", func(*topology.Cluster) {}, Quorum{1, 1}, ExitOK},
		{"a replica is gone", func(c *topology.Cluster) { lost(c, "db4") }, Quorum{3, 3}, ExitWarn},
		{"no fence", func(c *topology.Cluster) { change(c, "db1", func(r *topology.Report) { r.Fence = "none" }) }, Quorum{3, 3}, ExitWarn},
		{"manual mode", func(c *topology.Cluster) { mode(c, topology.Manual) }, Quorum{3, 3}, ExitWarn},
		{"no writer", func(c *topology.Cluster) { lost(c, "db1") }, Quorum{3, 3}, ExitCrit},
		{"mysqld of the writer is down", func(c *topology.Cluster) {
			change(c, "db1", func(r *topology.Report) { r.MySQL = topology.Health{Why: "no process"} })
		}, Quorum{3, 3}, ExitCrit},
		{"the disk of the writer takes no writes", func(c *topology.Cluster) {
			change(c, "db1", func(r *topology.Report) {
				r.Disk = topology.Disk{Failing: "no space left on device", Bad: true}
			})
		}, Quorum{3, 3}, ExitCrit},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cl := shop()
			tt.change(&cl)
			b := newBench(t, cl)
			b.Members = func(context.Context) (Quorum, error) { return tt.quorum, nil }
			if got := ExitOf(b.Status(context.Background(), true)); got != tt.want {
				t.Errorf("exit code %d, want %d\n%s", got, tt.want, b.out)
			}
			if ExitOf(b.Status(context.Background(), false)) != ExitOK {
				t.Error("without --check a bad cluster is an error")
			}
		})
	}
}

func TestJSONIsAVersionedContract(t *testing.T) {
	b := newBench(t, shop())
	b.Format = JSON
	if err := b.Status(context.Background(), false); err != nil {
		t.Fatal(err)
	}
	golden(t, "status.json", b.out.String())
	for _, run := range []func() error{
		func() error { return b.Show(context.Background()) },
		func() error { return b.Checks(context.Background(), "db1", "") },
		func() error { return b.Events(context.Background(), time.Time{}, 0, false) },
		func() error { return b.ConfigShow(context.Background()) },
		func() error { return b.Explain(context.Background(), "") },
		func() error { return b.Mode(context.Background()) },
		func() error { return b.SetMode(context.Background(), topology.Manual) },
	} {
		b.out.Reset()
		if err := run(); err != nil {
			t.Fatal(err)
		}
		var head struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
		}
		if err := json.Unmarshal(b.out.Bytes(), &head); err != nil || head.APIVersion != "mmm/v1" || head.Kind == "" {
			t.Errorf("not a document of mmm/v1 (%v):\n%s", err, b.out)
		}
	}
}

func TestYAMLSaysTheSameAsJSON(t *testing.T) {
	b := newBench(t, shop())
	b.Format = YAML
	if err := b.Status(context.Background(), false); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Writer string `yaml:"writer"`
		Hosts  []struct {
			Name string `yaml:"name"`
		} `yaml:"hosts"`
	}
	if err := yaml.Unmarshal(b.out.Bytes(), &doc); err != nil || doc.Writer != "db1" || len(doc.Hosts) != 4 {
		t.Errorf("read %+v (%v) from\n%s", doc, err, b.out)
	}
}

func TestEventsFollowPrintsOldAndNew(t *testing.T) {
	b := newBench(t, shop())
	b.store.events = []topology.Event{{At: noon.Add(-time.Hour), Host: "db1", Epoch: 7, What: "opened", Why: "elected"}}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := b.Events(ctx, time.Time{}, 10, true); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"db1       epoch 7     opened: elected", "a new event"} {
		if !strings.Contains(b.out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.out)
		}
	}
}
