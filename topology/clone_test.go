package topology

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// copying is what a host of the stories has of a copy.
type copying struct {
	Clone
	log    []string // of the copy
	cut    bool     // the agent is interrupted right after the data are out
	space  Space
	noData bool
	said   *Repair // at the last look
}

const gib = 1 << 30

// roomy lets every host give copies and take them.
func (w *world) roomy() {
	for _, h := range w.hosts {
		h.key, h.copy.space = "key-"+h.name, Space{Data: gib, Free: 10 * gib}
		m := w.etcd.Memories[h.name]
		m.Value.Key = h.key
		w.etcd.Memories[h.name] = m
	}
}

// doClone does in a moment what takes hours.
func (w *world) doClone(h *host, a Action) error {
	if a.Kind == DropData {
		h.copy.Clone, h.copy.log = Clone{}, nil
		return nil
	}
	from, err := w.host(a.Host)
	switch {
	case err != nil:
		return err
	case from.inc == "" || from.hung || from.off || from.away:
		return errors.New("no answer")
	case MayDonate(w.view(from, from.sees(w.cluster())), h.id) != "":
		return errors.New(MayDonate(w.view(from, from.sees(w.cluster())), h.id))
	}
	h.copy.log = slices.Clone(from.log[:from.done])
	h.copy.Clone = Clone{Step: CloneCopied, From: a.Host, Order: a.BidRev, State: stateOf(h.copy.log)}
	return nil
}

// replace is what the agent does, with what it asks etcd before.
func (w *world) replace(h *host, a Action) error {
	if h.copy.Step == CloneCopied {
		c := w.cluster()
		_, acks := c.Reign.Value.Ackers[h.id]
		r := c.Hosts[h.id].Value.Repair
		if acks || c.Writer.Rev != a.Epoch || c.Reign.Value.Epoch != a.Epoch || c.Writer.Value.ID == h.id || r == nil || !r.Away {
			return errGuard
		}
		h.copy.Step, h.copy.Old, h.copy.Keep = CloneReplacing, "old", a.Of
		h.stopServer("mysqld is not running")
		h.log, h.done, h.source, h.broken = nil, 0, "", ""
	}
	if h.copy.cut {
		h.copy.cut = false
		return errors.New("the agent was interrupted")
	}
	h.startServer()
	h.log, h.done, h.copy.noData, h.ddl = slices.Clone(h.copy.log), len(h.copy.log), false, false
	h.seen.Suspect, h.seen.Refused = Suspicion{}, Refusal{}
	if w.etcd.Rejoins[h.name].Rev == h.copy.Order {
		delete(w.etcd.Rejoins, h.name)
	}
	h.seen.Rev = w.put()
	h.copy.Step = CloneDone
	return nil
}

// lostData are hosts whose mysqld finds nothing to start with.
func lostData(h *host) {
	h.stopServer("mysqld is not running")
	h.log, h.done, h.source, h.copy.noData = nil, 0, "", true
}

// cloneFaults befall a host that is copied.
var cloneFaults = map[string]func(w *world, h *host, args []string) error{
	// lost: all its data are gone.
	"lost": func(_ *world, h *host, _ []string) error { lostData(h); return nil },
	// copied FROM: a whole copy is here.
	"copied": func(w *world, h *host, args []string) error {
		from, err := w.host(args[0])
		if err != nil {
			return err
		}
		h.copy.log = slices.Clone(from.log[:from.done])
		h.copy.Clone = Clone{Step: CloneCopied, From: from.name, Order: w.etcd.Rejoins[h.name].Rev, State: stateOf(h.copy.log)}
		return nil
	},
	// copies FROM: a part of it is.
	"copies": func(w *world, h *host, args []string) error {
		h.copy.Clone = Clone{Step: CloneCopying, From: args[0], Bytes: gib / 2, Total: gib, Since: w.now}
		return nil
	},
	// interrupted: the agent ends when the data are out and the copy is not in.
	"interrupted": func(_ *world, h *host, _ []string) error { h.copy.cut = true; return nil },
	// free N: how many GiB are.
	"free": func(_ *world, h *host, args []string) error {
		h.copy.space.Free = int64(number(args[0])) * gib
		return nil
	},
	// stays: its file system cannot exchange two files.
	"stays": func(_ *world, h *host, _ []string) error {
		h.copy.space.Stays = "its file system cannot exchange two files"
		return nil
	},
	// reclone [FROM] [writer]: an operator's order.
	"reclone": func(w *world, h *host, args []string) error {
		o := RejoinOrder{How: RejoinReclone, Who: "alice", Writer: slices.Contains(args, "writer")}
		if len(args) > 0 && args[0] != "writer" {
			o.From = args[0]
		}
		w.etcd.Rejoins[h.name] = Entry[RejoinOrder]{Value: o, Rev: w.put()}
		return nil
	},
	// unordered: he took it back.
	"unordered": func(w *world, h *host, _ []string) error { delete(w.etcd.Rejoins, h.name); w.put(); return nil },
}

// TestOnlyWhomNobodyCountsOnIsReplaced: whatever a host sees, it gives up its data
// only for a copy that is whole, and only while an open reign of another host says
// that no election counts on it; the writer never does.
func TestOnlyWhomNobodyCountsOnIsReplaced(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := someCluster(t)
		name := pick(t, "self", someNames)
		v := someView(t, c, name)
		v.Probe.Clone = Clone{Step: pick(t, "clone", []CloneStep{"", CloneCopying, CloneCopied, CloneDone}), From: "db3"}
		if chance(t, "policy") {
			v.Cluster.Spec.Value.Recovery.Rejoin = RejoinReclone
		}
		if often(t, "ordered") {
			v.Cluster.Rejoins[name] = Entry[RejoinOrder]{Value: RejoinOrder{How: RejoinReclone}, Rev: 120}
			v.Probe.Clone.Order = 120
		}
		for _, a := range Decide(v) {
			_, acks := v.Cluster.Reign.Value.Ackers[v.ID]
			writer := v.Cluster.Writer
			switch {
			case a.Kind != ReplaceData:
			case v.Probe.Clone.Step != CloneCopied:
				t.Fatalf("without a copy: %+v", v.Probe.Clone)
			case acks || !writer.Present() || writer.Value.ID == v.ID || v.Cluster.Reign.Value.Epoch != writer.Rev || v.Cluster.Reign.Value.ID == v.ID || v.Term.Epoch != 0:
				t.Fatalf("although it is counted on: writer %+v, reign %+v, term %+v", writer, v.Cluster.Reign, v.Term)
			case v.Probe.Up && (!v.Probe.ReadOnly || v.Probe.Waiting > 0 || v.Probe.SemiSource):
				t.Fatalf("although somebody may write: %+v", v.Probe)
			}
		}
	})
}

func TestProgressIsTold(t *testing.T) {
	for _, tt := range []struct {
		bytes, total int64
		seconds      int
		want         string
	}{
		{0, gib, 3, "it begins"},
		{gib / 2, gib, 4, "512.0 MiB of about 1.0 GiB (50%), 128.0 MiB/s, 4s left"},
		{2 * gib, gib, 4, "2.0 GiB of about 1.0 GiB (99%), 512.0 MiB/s, 0s left"},
		{100, gib, 0, "100 B of about 1.0 GiB (0%)"},
	} {
		if got := Progress(tt.bytes, tt.total, theNow, theNow.Add(lasting(fmt.Sprintf("%ds", tt.seconds)))); got != tt.want {
			t.Errorf("%d of %d: %q, want %q", tt.bytes, tt.total, got, tt.want)
		}
	}
}

// The giver is a replica that may not be writer, before one that may; another one
// than that which has just failed; the writer only by an operator's word.
func TestDonorIsTheOneThatIsMissedLeast(t *testing.T) {
	w := healthyWorld()
	w.roomy()
	w.look()
	c := w.cluster()
	for _, tt := range []struct {
		order RejoinOrder
		not   string
		want  string
	}{
		{RejoinOrder{}, "", "db3"},
		{RejoinOrder{}, "db3", "db2"},
		{RejoinOrder{From: "db2"}, "db2", "db2"},
		{RejoinOrder{From: "db1"}, "", ""},
		{RejoinOrder{From: "db1", Writer: true}, "", "db1"},
		{RejoinOrder{Writer: true}, "", "db3"},
		{RejoinOrder{From: "db4"}, "", ""},
	} {
		got, why := Donor(c, "db4", tt.order, tt.not, w.now)
		if got != tt.want || (got == "") != strings.HasPrefix(why, "nobody can give it a copy") {
			t.Errorf("%+v, not %q: %q (%s), want %q", tt.order, tt.not, got, why, tt.want)
		}
	}
}
