package topology

import (
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/topology/gtid"
)

func binlogState(s string) gtid.State {
	out, err := gtid.ParseState(s)
	if err != nil {
		panic(err)
	}
	return out
}

// standsBeside is a cluster in which db3 stands beside the writer db1 with what
// change makes of both.
func standsBeside(change func(c *Cluster, me, writer *Report)) Cluster {
	w := healthyWorld()
	w.hosts[0].log = []string{"0-1-40", "0-1-100", "0-1-104"}
	w.hosts[0].done = 3
	c := w.cluster()
	me, writer := c.Hosts["id-db3"], c.Hosts["id-db1"]
	me.Value.Position, me.Value.Received = position("0-1-102"), position("0-1-102")
	change(&c, &me.Value, &writer.Value)
	c.Hosts["id-db3"], c.Hosts["id-db1"] = me, writer
	return c
}

func TestStandingsAndTheirGrounds(t *testing.T) {
	const to = "IO thread: error 1236: Got fatal error 1236 from master when reading data from binary log: 'Error: "
	for _, x := range []struct {
		name, want, why string
		change          func(c *Cluster, me, writer *Report)
	}{
		{"has less", "BEHIND", "can fetch it", func(*Cluster, *Report, *Report) {}},
		{"has as much", "EQUAL", "all that db1 has", func(_ *Cluster, me, w *Report) { me.Received = w.Position }},
		{"has what it found itself", "DIVERGED", "it holds 0-3-103, which db1 never had", func(_ *Cluster, me, _ *Report) { me.Foreign = []string{"0-3-103"} }},
		{"was told so by its source", "DIVERGED", "db1 says that it never had 0-3-103", func(_ *Cluster, me, _ *Report) {
			me.Replication.Error = to + "connecting slave requested to start from GTID 0-3-103, which is not in the master's binlog. Since the master's binlog contains GTIDs with higher sequence numbers, it probably means that the slave has diverged'"
		}},
		{"holds a number that was given twice", "DIVERGED", "never had 0-1-41", func(_ *Cluster, me, _ *Report) {
			me.Replication.Error = to + "The binlog on the master is missing the GTID 0-1-41 requested by the slave (even though both a prior and a subsequent sequence number does exist), and GTID strict mode is enabled'"
		}},
		{"asks for what is of the history, but in no binlog", "SHORT", "no longer in its binlogs", func(c *Cluster, me, _ *Report) {
			me.Asked = c.Epoch()
			me.Replication.Error = to + "connecting slave requested to start from GTID 0-1-40, which is not in the master's binlog'"
		}},
		{"was denied, before this reign, what is of the history now", "BEHIND", "can fetch it", func(_ *Cluster, me, _ *Report) {
			me.Replication.Error = to + "connecting slave requested to start from GTID 0-1-40, which is not in the master's binlog'"
		}},
		{"is denied what only this reign can have written", "", "", func(_ *Cluster, me, _ *Report) {
			me.Replication.Error = to + "connecting slave requested to start from GTID 0-1-102, which is not in the master's binlog. Since the master's binlog contains GTIDs with higher sequence numbers, it probably means that the slave has diverged'"
		}},
		{"asks for what is purged", "SHORT", "purged", func(_ *Cluster, me, _ *Report) {
			me.Replication.Error = to + "Could not find GTID state requested by slave in any binlog files. Probably the slave state is too old and required binlog files have been purged.'"
		}},
		{"was told so by a source of before", "BEHIND", "can fetch it", func(_ *Cluster, me, _ *Report) {
			me.Replication.Source = "192.0.2.162:3309"
			me.Replication.Error = to + "connecting slave requested to start from GTID 0-3-103, which is not in the master's binlog'"
		}},
		{"has another error", "BEHIND", "can fetch it", func(_ *Cluster, me, _ *Report) {
			me.Replication.Error = to + "log event entry exceeded max_allowed_packet'"
		}},
		{"is new and empty under a known name", "SHORT", "new and empty", func(c *Cluster, me, _ *Report) {
			me.Position, me.Received = gtid.Set{}, gtid.Set{}
			m := c.Memories["db3"]
			m.Value.Fresh = true
			c.Memories["db3"] = m
		}},
		{"was new, and has been filled", "BEHIND", "can fetch it", func(c *Cluster, _, _ *Report) {
			m := c.Memories["db3"]
			m.Value.Fresh = true
			c.Memories["db3"] = m
		}},
		{"is down", "", "", func(_ *Cluster, me, _ *Report) { me.MySQL.Up = false }},
		{"has nobody to stand beside", "", "", func(c *Cluster, _, _ *Report) { c.Writer = Entry[Writer]{} }},
		{"has a writer that has not said where it begins", "", "", func(c *Cluster, _, _ *Report) { c.Phase.Value.Step = CatchingUp }},
	} {
		c := standsBeside(x.change)
		j := Judge(c, "db3")
		if string(j.Standing) != x.want || !strings.Contains(j.Why, x.why) {
			t.Errorf("who %s is %s (%s), want %s (%s)", x.name, j.Standing, j.Why, x.want, x.why)
		}
		if again := Judge(c, "db3"); again.Why != j.Why || Judge(c, "db1").Standing != "" {
			t.Errorf("who %s: the judgement changes, or the writer is judged too", x.name)
		}
	}
}

func TestASuspicionIsBelievedWhenItHasStood(t *testing.T) {
	c := standsBeside(func(*Cluster, *Report, *Report) {})
	now := time.Now()
	var s Suspicion
	s = s.Look(c, "id-db3", binlogState("0-1-100,0-3-103"), now)
	if len(s.GTIDs) != 1 || s.Confirmed(now.Add(suspectFor-1)) != nil {
		t.Fatalf("believed at once: %+v", s)
	}
	if s = s.Look(c, "id-db3", binlogState("0-1-100,0-3-103"), now.Add(suspectFor)); s.Confirmed(now.Add(suspectFor)) == nil {
		t.Fatalf("never believed: %+v", s)
	}
	gone := c
	gone.Writer = Entry[Writer]{}
	if kept := s.Look(gone, "id-db3", binlogState("0-1-100,0-3-103"), now.Add(time.Hour)); kept.Confirmed(now.Add(time.Hour)) == nil {
		t.Error("forgotten with the writer, when it matters most")
	}
	if s = s.Look(c, "id-db3", binlogState("0-1-103"), now); len(s.GTIDs) != 0 {
		t.Errorf("kept when it is gone: %+v", s)
	}
	// What this writer wrote a moment ago is not in its report yet.
	if s = s.Look(c, "id-db3", binlogState("0-1-999"), now); len(s.GTIDs) != 0 {
		t.Errorf("the writer's own newest is suspected: %+v", s)
	}
}

// A bid is a promise of what a host holds. One that gave up what it had
// received, or holds what nobody else has, must not prove anything by it.
func TestABidOfAHostThatIsNotWhatItSeemsProvesNothing(t *testing.T) {
	for _, x := range []struct {
		name, why string
		change    func(w *world, h *host)
	}{
		{"well", "", func(*world, *host) {}},
		{"gave up what it had received", "gave up", func(w *world, h *host) {
			m := w.etcd.Memories["db3"]
			m.Value.Void = &Void{Incarnation: h.inc, Reign: 100}
			w.etcd.Memories["db3"] = m
		}},
		{"gave it up in another run", "", func(w *world, _ *host) {
			m := w.etcd.Memories["db3"]
			m.Value.Void = &Void{Incarnation: "db3#0", Reign: 100}
			w.etcd.Memories["db3"] = m
		}},
		{"has writes of its own", "0-3-101, which the last writer never had", func(w *world, h *host) {
			h.seen.Suspect = Suspicion{GTIDs: []string{"0-3-101"}, Epoch: 100, Since: w.now.Add(-time.Hour)}
		}},
		{"is half taken back", "interrupted", func(_ *world, h *host) { h.halfway = true }},
	} {
		w := healthyWorld()
		h := w.hosts[2]
		x.change(w, h)
		w.vacate()
		for _, a := range Decide(w.view(h, w.cluster())) {
			if a.Kind == PlaceBid && (x.why == "") != (a.Bid.Broken == "") || a.Kind == PlaceBid && !strings.Contains(a.Bid.Broken, x.why) {
				t.Errorf("who %s bids with %q", x.name, a.Bid.Broken)
			} else if a.Kind == PlaceBid {
				x.why = "seen"
			}
		}
		if x.why != "seen" {
			t.Errorf("who %s does not bid", x.name)
		}
	}
}
