package follow

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

var now = time.Unix(1_000_000, 0)

// hosts of the test's cluster; each is host 1 to 5 of 192.0.2.0/24, on port 3306.
var names = []string{"db1", "db2", "db3", "db4", "db5"}

// cluster has db1 as its writer, in epoch 7 and ready, and four good replicas.
func cluster(change func(*topology.Cluster)) topology.Cluster {
	c := topology.Cluster{Hosts: map[topology.HostID]topology.Entry[topology.Report]{}, Memories: map[string]topology.Entry[topology.Memory]{}}
	c.Spec.Rev = 1
	lag := topology.Duration(10 * time.Millisecond)
	for i, name := range names {
		c.Spec.Value.Hosts = append(c.Spec.Value.Hosts, topology.HostSpec{Name: name, Address: netip.MustParseAddr(fmt.Sprintf("192.0.2.%d", i+1)), Port: 3306})
		r := topology.Report{Name: name, Incarnation: topology.Incarnation("run of " + name), Lag: &lag}
		r.MySQL.Up = true
		r.Checks = []topology.Check{{Name: topology.CheckThreads, OK: true}, {Name: topology.CheckBacklog, OK: true}}
		c.Hosts[topology.HostID(name)] = topology.Entry[topology.Report]{Value: r, Rev: 2, Lease: 3}
		c.Memories[name] = topology.Entry[topology.Memory]{Value: topology.Memory{Cleared: r.Incarnation}, Rev: 2}
	}
	c.Writer = topology.Entry[topology.Writer]{Value: topology.Writer{ID: "db1", Name: "db1"}, Rev: 7}
	c.Phase = topology.Entry[topology.Phase]{Value: topology.Phase{Epoch: 7, Step: topology.Ready}, Rev: 8}
	if change != nil {
		change(&c)
	}
	return c
}

// report changes what a host says.
func report(c *topology.Cluster, name string, change func(*topology.Report)) {
	e := c.Hosts[topology.HostID(name)]
	change(&e.Value)
	c.Hosts[topology.HostID(name)] = e
}

func readers(v *View) string {
	var all []string
	for _, r := range v.Readers {
		all = append(all, r.Name)
	}
	return strings.Join(all, " ")
}

func TestTheWriterIsThatOfAReadyReign(t *testing.T) {
	tests := []struct {
		name    string
		change  func(*topology.Cluster)
		highest topology.Rev
		writer  string
		why     string
	}{
		{"ready", nil, 0, "db1", ""},
		{"seen before", nil, 7, "db1", ""},
		{"a higher epoch was seen", nil, 8, "", "it went back"},
		{"nobody", func(c *topology.Cluster) { c.Writer = topology.Entry[topology.Writer]{} }, 7, "", "there is no writer"},
		{"opening", func(c *topology.Cluster) { c.Phase.Value.Step = topology.Opening }, 0, "", "db1 is becoming the writer"},
		{"ready in another reign", func(c *topology.Cluster) { c.Phase.Value.Epoch = 6 }, 0, "", "db1 is becoming the writer"},
		{"without a phase", func(c *topology.Cluster) { c.Phase = topology.Entry[topology.Phase]{} }, 0, "", "db1 is becoming the writer"},
		{"unknown to the cluster file", func(c *topology.Cluster) { c.Writer.Value.Name = "db9" }, 0, "", "db9 is not in the cluster file"},
		{"no cluster", func(c *topology.Cluster) { c.Spec.Rev = 0 }, 0, "", "mmmctl apply"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := judge(cluster(tt.change), tt.highest, now, 0)
			if v.Writer.Name != tt.writer || !strings.Contains(v.Why, tt.why) || v.Epoch != max(7, tt.highest) && tt.name != "nobody" {
				t.Errorf("epoch %d, writer %q, why %q", v.Epoch, v.Writer.Name, v.Why)
			}
			if tt.writer != "" && v.Writer.Address != netip.MustParseAddrPort("192.0.2.1:3306") {
				t.Errorf("at %s", v.Writer.Address)
			}
		})
	}
}

func TestWhoIsNotReadFromIsNamedWithTheCause(t *testing.T) {
	v := judge(cluster(func(c *topology.Cluster) {
		late := topology.Duration(12 * time.Second)
		report(c, "db2", func(r *topology.Report) { r.Lag = &late })
		report(c, "db3", func(r *topology.Report) { r.Lag = nil })
		report(c, "db4", func(r *topology.Report) { r.Checks[0].OK, r.Checks[0].Message = false, "the SQL thread is stopped" })
	}), 0, now, 5*time.Second)
	if got := readers(v); got != "db5" {
		t.Errorf("readers: %s", got)
	}
	want := []string{"db2: its lag of 12s is more than 5s", "db3: nobody knows how far behind", "db4: it is REPLICATION_FAIL: replication is down: the SQL thread is stopped"}
	if len(v.Excluded) != len(want) {
		t.Fatalf("%+v", v.Excluded)
	}
	for i, x := range v.Excluded {
		if !strings.HasPrefix(x.Name+": "+x.Why, want[i]) {
			t.Errorf("%s: %s; want %s", x.Name, x.Why, want[i])
		}
	}
}

func TestTheWriterIsNoReader(t *testing.T) {
	if got := readers(judge(cluster(nil), 0, now, 5*time.Second)); got != "db2 db3 db4 db5" {
		t.Errorf("readers: %s", got)
	}
}

func TestASwitchoverThatIsAskedForHoldsWrites(t *testing.T) {
	ask := func(epoch topology.Rev, step topology.SwitchStep) *View {
		return judge(cluster(func(c *topology.Cluster) {
			c.Switchover = topology.Entry[topology.Switchover]{Value: topology.Switchover{Kind: topology.OrderSwitchover, Target: "db2", Epoch: epoch, Step: step}, Rev: 9}
		}), 0, now, 0)
	}
	if v := ask(7, topology.Asked); !v.Held || v.Writer.Name != "db1" || !strings.Contains(v.Why, "moved to db2") {
		t.Errorf("held %v, writer %q, why %q", v.Held, v.Writer.Name, v.Why)
	}
	if v := ask(6, topology.Asked); v.Held {
		t.Error("an order of another reign holds")
	}
	if v := ask(7, topology.Done); v.Held {
		t.Error("an order that is done holds")
	}
}
