package topology

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// walk lets random things befall the whole cluster, with hosts that act a step
// here and there, and keeps their list for a failure.
type walk struct {
	t      *teller
	past   []string
	mended bool
}

func newWalk() *walk {
	k := &walk{t: newTeller()}
	k.do("cluster")
	return k
}

// do runs one command of the stories. What cannot be done now is left out.
func (k *walk) do(line string) {
	if err := k.t.command(line); err == nil {
		k.past = append(k.past, line)
	}
}

// befalls is what may happen, as commands of the stories; HOST stands for one.
var befalls = []string{
	"apply HOST", "apply HOST", "apply HOST", "apply HOST", "apply all", "apply all", "write 1", "write 2", "write 1 reaches HOST", "clients HOST 1",
	"die HOST", "restart HOST", "lose HOST", "vanish HOST", "return HOST", "late HOST", "renewed HOST", "agent HOST", "resumed HOST",
	"hang HOST", "blind HOST", "sighted HOST", "set HOST slow=yes", "set HOST slow=no", "set HOST deaf=yes", "set HOST away=yes", "set HOST away=no",
	"set HOST writable=yes", "set-offline HOST", "set-online HOST", "switchover HOST", "elect HOST", "tick 1s", "tick 5s", "tick 2m",
	"outage", "outage", "ask HOST", "ask HOST", "etcd-back", "etcd-back without-leases", "mode manual", "mode passive", "mode active", "pin .111 HOST", "unpin .111",
	"set HOST prestart=yes", "set HOST waiting=1", "failover HOST", "settings durability=available",
}

func (k *walk) step(t *rapid.T) {
	line := pick(t, "befalls", befalls)
	host := pick(t, "host", someNames)
	h, _ := k.t.w.host(host)
	switch verb, _, _ := strings.Cut(line, " "); {
	case verb == "return" && h.lease != 0, verb == "renewed" && (h.lease == 0 || h.frozen != nil), (verb == "lose" || verb == "vanish" || verb == "late") && h.lease == 0,
		verb == "restart" && h.off, verb == "resumed" && h.late, strings.HasSuffix(line, "writable=yes") && (h.inc == "" || h.term.Epoch > 0):
		return
	}
	k.do(strings.ReplaceAll(line, "HOST", host))
}

// mend ends every trouble, as far as hands can: what is lost stays lost.
func (k *walk) mend() {
	k.mended = true
	for _, h := range k.t.w.hosts {
		for _, verb := range []string{"set-online " + h.name, "set " + h.name + " slow=no away=no deaf=no", "sighted " + h.name} {
			k.do(verb)
		}
		if h.lease == 0 {
			k.do("return " + h.name)
		}
		k.do("etcd-back")
		k.do("renewed " + h.name)
		if h.inc == "" || h.hung {
			k.do("restart " + h.name)
		}
	}
	k.do("mode active")
	k.do("unpin .111")
	k.do("tick 2m")
}

// check says what must never be: acknowledged writes missing at an opening, or
// two hosts that could acknowledge.
func (k *walk) check(t *rapid.T) {
	w := k.t.w
	if len(w.lost) > 0 {
		t.Fatalf("%s\n%s", strings.Join(w.lost, "\n"), strings.Join(k.past, "\n"))
	}
	if open := w.acceptors(); len(open) > 1 {
		t.Fatalf("%v could acknowledge\n%s", open, strings.Join(k.past, "\n"))
	}
	for vip, who := range k.answering() {
		if len(who) > 1 && k.mended {
			t.Fatalf("%s is answered by %v\n%s", vip, who, strings.Join(k.past, "\n"))
		}
	}
}

func (k *walk) answering() map[string][]string {
	out := map[string][]string{}
	for _, h := range k.t.w.hosts {
		for _, vip := range h.vips {
			out[vip.String()] = append(out[vip.String()], h.name)
		}
	}
	return out
}

// TestWhateverHappensTheClusterComesToRest: random faults and orders, then all
// is mended. Nothing acknowledged is ever missing where a writer opens; in the
// end every host has nothing left to do, and there is a writer or a named cause.
func TestWhateverHappensTheClusterComesToRest(t *testing.T) {
	fewer(t)
	rapid.Check(t, func(t *rapid.T) {
		k := newWalk()
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			k.step(t)
			k.check(t)
		}
		k.mend()
		var last []string
		err := k.t.w.settle(func(h *host, a Action, err error) {
			last = append(last, fmt.Sprintf("%s %s: %s %v", h.name, a.Rule, a, err))
		})
		if err != nil {
			t.Fatalf("%v:\n%s\nit ends with\n%s", err, strings.Join(k.past, "\n"), strings.Join(last[max(0, len(last)-12):], "\n"))
		}
		k.check(t)
		k.atRest(t)
	})
}

// fewer leaves out most cases of a property that is slow, unless it was said how many.
func fewer(t *testing.T) {
	checks := flag.Lookup("rapid.checks").Value
	if checks.String() != manyChecks {
		return
	}
	t.Cleanup(func() { _ = checks.Set(manyChecks) })
	if err := checks.Set(fewChecks); err != nil {
		t.Fatal(err)
	}
}

func (k *walk) atRest(t *rapid.T) {
	w := k.t.w
	past := strings.Join(k.past, "\n")
	if p := Prove(w.cluster()); w.etcd.Phase.Value.Step != Ready && !w.etcd.Writer.Present() && p.OK {
		t.Fatalf("proven (%s), and nobody is writer\n%s", p.Why, past)
	}
	var open []string
	for _, h := range w.hosts {
		if h.writable {
			open = append(open, h.name)
		}
	}
	if w.etcd.Phase.Value.Step == Ready && !slices.Equal(open, []string{w.etcd.Writer.Value.Name}) {
		t.Fatalf("%s reigns and %v are writable\n%s", w.etcd.Writer.Value.Name, open, past)
	}
	if w.etcd.Switchover.Value.Step.Open() && w.etcd.Writer.Present() {
		t.Fatalf("the order to %s is still open\n%s", w.etcd.Switchover.Value.Target, past)
	}
	for _, vip := range w.etcd.Spec.Value.Roles.Reader.VIPs {
		if w.etcd.Phase.Value.Step == Ready && len(k.answering()[vip.String()]) != 1 {
			t.Fatalf("%s is answered by %v\n%s", vip, k.answering()[vip.String()], past)
		}
	}
}
