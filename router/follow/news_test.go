package follow

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// said is a news and what it wrote, a line each.
func said() (*news, *strings.Builder) {
	var b strings.Builder
	return newNews(slog.New(slog.NewTextHandler(&b, nil))), &b
}

func wants(t *testing.T, b *strings.Builder, lines ...string) {
	t.Helper()
	got := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	if b.Len() == 0 {
		got = nil
	}
	if len(got) != len(lines) {
		t.Fatalf("%d lines, want %d:\n%s", len(got), len(lines), b)
	}
	for i, want := range lines {
		for _, part := range strings.Split(want, " | ") {
			if !strings.Contains(got[i], part) {
				t.Errorf("%q is not in: %s", part, got[i])
			}
		}
	}
	b.Reset()
}

func TestTheLogSaysWhoIsWrittenTo(t *testing.T) {
	n, b := said()
	empty := &View{}
	ready := judge(cluster(nil), 0, now, 0)
	n.writer(empty, ready)
	wants(t, b, "INFO | statements that write go to | writer=db1 | address=192.0.2.1:3306 | epoch=7")
	n.writer(ready, judge(cluster(nil), 0, now, 0))
	wants(t, b)
	moved := judge(ordered(9, topology.Asked), 0, now, 0)
	n.writer(ready, moved)
	wants(t, b, "INFO | wait for a planned switchover | moved to db2")
	none := judge(cluster(func(c *topology.Cluster) { c.Writer = topology.Entry[topology.Writer]{} }), 7, now, 0)
	n.writer(moved, none)
	wants(t, b, "WARN | there is no writer: statements that write wait | one is being elected")
}

func TestTheLogSaysWhoIsReadFromAndDoesNotFlap(t *testing.T) {
	n, b := said()
	at := now
	all := judge(cluster(nil), 0, now, 0)
	late := topology.Duration(12 * time.Second)
	less := judge(cluster(func(c *topology.Cluster) { report(c, "db2", func(r *topology.Report) { r.Lag = &late }) }), 0, now, 5*time.Second)
	n.reads(all, at)
	wants(t, b, "a host is read from | host=db2 | lag=10ms", "host=db3", "host=db4", "host=db5")
	for range 20 { // two minutes of coming and going, three seconds each
		for _, v := range []*View{less, less, less, all, all, all} {
			at = at.Add(time.Second)
			n.reads(v, at)
		}
	}
	if lines := strings.Count(b.String(), "\n"); lines < 6 || lines > 12 {
		t.Errorf("%d lines of a host that came and went twenty times:\n%s", lines, b)
	}
	at = at.Add(calm)
	n.reads(all, at)
	at = at.Add(calm - time.Second)
	b.Reset()
	n.reads(less, at)
	wants(t, b) // too soon; but it is not forgotten
	at = at.Add(calm)
	n.reads(less, at)
	at = at.Add(calm)
	n.reads(less, at)
	wants(t, b, "WARN | a host is not read from | host=db2 | its lag of 12s is more than 5s (readers.maxLag)")
}

func TestTheLogSaysThatThereIsNoReader(t *testing.T) {
	n, b := said()
	none := judge(cluster(func(c *topology.Cluster) {
		for _, name := range names[1:] {
			report(c, name, func(r *topology.Report) { r.Lag = nil })
		}
	}), 0, now, 0)
	n.reads(none, now)
	wants(t, b) // a cause is often not known at once
	n.reads(none, now.Add(asideLeast))
	wants(t, b, "host=db2", "host=db3", "host=db4", "host=db5", "WARN | there is no reader | readers.writer | hosts=4")
	n.reads(judge(cluster(nil), 0, now, 0), now.Add(2*calm))
	n.reads(judge(cluster(nil), 0, now, 0), now.Add(2*calm+asideLeast))
	wants(t, b, "is read from", "is read from", "is read from", "is read from", "there are readers again | hosts=4")
}

func TestTheLogSaysThatNothingIsCertainAnyMore(t *testing.T) {
	n, b := said()
	v := judge(cluster(nil), 0, now, 0)
	n.certain(v, true, 0, now)
	n.certain(v, false, time.Second, now.Add(time.Second))
	n.certain(v, true, 0, now.Add(time.Second+staleLeast/2)) // nobody noticed
	wants(t, b)
	n.certain(v, false, time.Second, now.Add(2*time.Second))
	n.certain(v, false, 2*time.Second, now.Add(2*time.Second+staleLeast))
	n.certain(v, false, 9*time.Second, now.Add(9*time.Second))
	wants(t, b, "WARN | statements that write wait | neither etcd nor the writer's agent | etcdSilentFor=2s")
	n.certain(v, true, 0, now.Add(30*time.Second))
	n.certain(v, true, 0, now.Add(31*time.Second))
	wants(t, b, "INFO | statements that write go on")
}

func TestTheLogSaysThatEtcdHasNeverAnswered(t *testing.T) {
	n, b := said()
	n.nothing(now, now.Add(time.Second))
	wants(t, b)
	for s := range 100 {
		n.nothing(now, now.Add(awaited+time.Duration(s)*time.Second))
	}
	wants(t, b, "WARN | etcd has not answered yet | etcd.endpoints")
}

func TestARouterThatMayNotSayWhatItHoldsAsksLessAndLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, b := said()
		f := New(Options{Log: slog.New(slog.NewTextHandler(b, nil))})
		v := judge(cluster(nil), 0, now, 0)
		f.view.Store(v)
		var m failing
		began := time.Now()
		for range 20 {
			m.say(t.Context(), f.opt.Log, errors.New("permission denied"))
			f.rest(t.Context(), &m, v)
		}
		if took := time.Since(began); took < 50*time.Second || m.wait != sayRest {
			t.Errorf("20 tries in %s", took)
		}
		m.over(f.opt.Log)
		wants(t, b, "WARN | cannot tell the cluster what is held | permission denied", "the cluster hears again")
		asked := time.Now()
		go func() {
			time.Sleep(10 * time.Millisecond)
			f.view.Store(judge(ordered(9, topology.Asked), 0, now, 0))
			close(v.next)
		}()
		m.wait = sayRest
		if f.rest(t.Context(), &m, v); time.Since(asked) > time.Second {
			t.Errorf("an order waits for %s", time.Since(asked))
		}
	})
}
