package topology

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// teller runs the commands of one story and collects what they print.
type teller struct {
	w       *world
	out     strings.Builder
	rules   map[string]bool // rows of Rules that held
	class   map[string]bool // rows of StateRules that matched
	beside  map[string]bool // rows of RouterRules that held
	routers *besideTeller   // of a story of routers' agents; else nil
	views   [][]View        // what all hosts saw whenever one of them decided
}

func newTeller() *teller {
	return &teller{rules: map[string]bool{}, class: map[string]bool{}, beside: map[string]bool{}}
}

func (t *teller) printf(format string, args ...any) { fmt.Fprintf(&t.out, format+"\n", args...) }

func (t *teller) begin(w *world) {
	w.asked = func(c Cluster) { t.views = append(t.views, w.views(c)) }
	w.told = func(v Verdict) { t.rules[v.Rule] = true }
	w.class = func(row string) { t.class[row] = true }
	t.w = w
}

// command runs one line.
func (t *teller) command(line string) error {
	f := strings.Fields(line)
	name, args := f[0], f[1:]
	if name == "cluster" {
		w := healthyWorld()
		if len(args) == 1 && args[0] == "new" {
			w = newWorld()
		}
		t.begin(w)
		t.routers = nil
		return nil
	}
	if name == "routers" {
		t.routers = newBesideTeller(t, 2, len(args))
		return nil
	}
	if t.routers != nil {
		return t.routers.command(line)
	}
	if t.w == nil {
		return fmt.Errorf("%q comes before `cluster`", line)
	}
	for _, group := range []map[string]func(*teller, []string) error{questions, faults, orders} {
		if do, ok := group[name]; ok {
			return do(t, args)
		}
	}
	do, ok := hostFaults[name]
	if !ok {
		do, ok = cloneFaults[name]
	}
	if ok && len(args) > 0 {
		h, err := t.w.host(args[0])
		if err != nil {
			return err
		}
		return do(t.w, h, args[1:])
	}
	return fmt.Errorf("unknown command %q", line)
}

// questions print; they change nothing, but for the hosts acting in apply and run.
var questions = map[string]func(*teller, []string) error{
	"decide":     func(t *teller, args []string) error { return t.each(args, t.decide) },
	"apply":      func(t *teller, args []string) error { return t.each(args, t.apply) },
	"state":      func(t *teller, args []string) error { return t.each(args, t.state) },
	"explain":    (*teller).explain,
	"run":        (*teller).run,
	"show":       (*teller).show,
	"prove":      (*teller).prove,
	"race":       (*teller).race,
	"candidates": (*teller).candidates,
	"print":      (*teller).print,
}

// each does something for one host, or for all with the name in front.
func (t *teller) each(args []string, do func(h *host, prefix string)) error {
	if len(args) != 1 {
		return fmt.Errorf("name a host, or all")
	}
	t.w.look()
	if args[0] == "all" {
		for _, h := range t.w.hosts {
			do(h, h.name+" ")
		}
		return nil
	}
	h, err := t.w.host(args[0])
	if err == nil {
		do(h, "")
	}
	return err
}

func (t *teller) decide(h *host, prefix string) {
	c := t.w.cluster()
	acts := t.w.decide(h, c)
	for _, a := range acts {
		t.printf("%s%s: %s — %s", prefix, a.Rule, a, a.Why)
	}
	if len(acts) > 0 {
		return
	}
	said := false
	for _, x := range Explain(t.w.view(h, c)) {
		if x.Holds {
			said = true
			t.printf("%s(nothing) %s — %s", prefix, x.Rule, x.Why)
		}
	}
	if !said {
		t.printf("%s(nothing)", prefix)
	}
}

func (t *teller) apply(h *host, prefix string) {
	n := t.w.turn(h, t.w.cluster(), func(a Action, err error) {
		if err != nil {
			t.printf("%s%s: %s — %s", prefix, a.Rule, a, err)
			return
		}
		t.printf("%s%s: %s — %s", prefix, a.Rule, a, a.Why)
	})
	if n == 0 {
		t.printf("%s(nothing)", prefix)
	}
	t.w.look()
}

// The pace of run: how long a round is, how many rounds without an action mean
// that nothing is left to do, and when a story has gone round in circles.
const (
	roundTime = 50 * time.Millisecond
	restAfter = 8
	mostTurns = 200
)

// run lets all hosts act on the same readings of etcd until nothing is left to
// do, and prints every action without its reason. "run quietly" prints none.
func (t *teller) run(args []string) error {
	quietly := len(args) == 1 && args[0] == "quietly"
	return t.w.settle(func(h *host, a Action, err error) {
		switch {
		case quietly:
		case err != nil:
			t.printf("%s %s: %s — %s", h.name, a.Rule, a, err)
		default:
			t.printf("%s %s: %s", h.name, a.Rule, a)
		}
	})
}

// settle is a fixed point of the whole cluster: every host decides on the same
// reading, everything is carried out, until nobody has anything to do.
func (w *world) settle(tell func(*host, Action, error)) error {
	rest := 0
	for range mostTurns {
		w.look()
		c, n := w.cluster(), 0
		for _, h := range w.hosts {
			n += w.turn(h, c, func(a Action, err error) { tell(h, a, err) })
		}
		w.now = w.now.Add(roundTime)
		if rest++; n > 0 {
			rest = 0
		}
		if rest == restAfter {
			w.look()
			return nil
		}
	}
	return fmt.Errorf("after %d rounds there is still something to do", mostTurns)
}

func (t *teller) state(h *host, prefix string) {
	state, why := t.w.classify(h)
	t.printf("%s%s: %s", prefix, state, why)
}

// classify is Classify, with the row that matched told to the listener.
func (w *world) classify(h *host) (State, Reason) {
	c := w.cluster()
	f := factsOf(c, h.name, w.now)
	for _, r := range StateRules {
		if _, ok := r.when(f); ok {
			w.class(r.Name)
			break
		}
	}
	return Classify(c, h.name, w.now)
}

func (t *teller) explain(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("name a host")
	}
	t.w.look()
	h, err := t.w.host(args[0])
	if err != nil {
		return err
	}
	for _, x := range Explain(t.w.view(h, t.w.cluster())) {
		asked := len(args) == 2 && args[1] == x.Rule
		if x.Holds {
			t.w.told(x)
		}
		if asked || (x.Holds && len(args) == 1) {
			t.printf("%s: %t — %s", x.Rule, x.Holds, x.Why)
		}
	}
	return nil
}

// show prints who answers for which address, in the form of `mmm_control show`.
func (t *teller) show([]string) error {
	t.w.look()
	for _, h := range t.w.hosts {
		spec, _ := t.w.etcd.Spec.Value.Host(h.name)
		state, _ := t.w.classify(h)
		var roles []string
		for _, vip := range sortedAddrs(h.vips) {
			role := "reader"
			if slices.Contains(t.w.etcd.Spec.Value.Roles.Writer.VIPs, vip) {
				role = "writer"
			}
			roles = append(roles, fmt.Sprintf("%s(%s)", role, vip))
		}
		slices.Sort(roles)
		line := fmt.Sprintf("  %s(%s) %s/%s. Roles: %s", h.name, h.address, spec.Mode, state, strings.Join(roles, ", "))
		t.printf("%s", strings.TrimRight(line, " "))
	}
	return nil
}

func (t *teller) prove([]string) error {
	t.w.look()
	c := t.w.cluster()
	p := Prove(c)
	if !p.OK {
		t.printf("not proven: %s", p.Why)
		return nil
	}
	t.printf("proven: %s; best is %s, held by %s", p.Why, p.Best, strings.TrimSuffix(holderNames(c, p, p.Best), fmt.Sprintf(" holds %s, this host %s", p.Best, p.Best)))
	return nil
}

func (t *teller) race([]string) error {
	t.w.look()
	c := t.w.cluster()
	_, race := Best(c, Prove(c))
	t.list(race)
	return nil
}

func (t *teller) candidates([]string) error {
	t.w.look()
	t.list(Candidates(t.w.cluster(), t.w.now))
	return nil
}

func (t *teller) list(race []Candidate) {
	for _, r := range race {
		can := "cannot"
		if r.OK {
			can = "can"
		}
		t.printf("%s %s: %s", r.Name, can, r.Why)
	}
}

// print shows a key of etcd in few words.
func (t *teller) print(args []string) error {
	t.w.look()
	e := t.w.etcd
	name := func(id HostID) string { return strings.TrimPrefix(string(id), "id-") }
	switch key := strings.Join(args, " "); key {
	case "writer":
		t.printf("%s, epoch %d, %s", cmp.Or(e.Writer.Value.Name, "nobody"), e.Writer.Rev, cmp.Or(string(e.Phase.Value.Step), "no phase"))
	case "waiting":
		t.printf("%s", e.Phase.Value.Waiting)
	case "reign":
		var ackers, voters []string
		for _, id := range sortedKeys(e.Reign.Value.Ackers) {
			ackers = append(ackers, string(e.Reign.Value.Ackers[id]))
		}
		for _, id := range e.Reign.Value.Voters {
			voters = append(voters, name(id))
		}
		t.printf("%s since %s, ackers %s, voters %s, closed %v", e.Reign.Value.Name, e.Reign.Value.Start, strings.Join(ackers, " "), strings.Join(voters, " "), e.Reign.Value.Closed)
	case "order":
		o := e.Switchover.Value
		t.printf("%s to %s is %s: %s", o.Kind, o.Target, o.Step, cmp.Or(o.Outcome, "under way"))
	case "port":
		for _, h := range t.w.hosts {
			t.printf("%s: %s", h.name, cmp.Or(string(h.port), "no fence"))
		}
	case "loss":
		l := LossOf(t.w.cluster())
		t.printf("%s would be lost; missing: %s", l.Range(), l.names(true))
	case "tombstones":
		for _, epoch := range sortedRevs(e.Tombstones) {
			x := e.Tombstones[epoch].Value
			var hosts []string
			for _, id := range x.Hosts {
				hosts = append(hosts, name(id))
			}
			t.printf("epoch %d: kept %s, names %s", x.Epoch, x.Loss.Kept, cmp.Or(strings.Join(hosts, " "), "nobody"))
		}
		if len(e.Tombstones) == 0 {
			t.printf("no tombstone")
		}
	case "logs":
		for _, h := range t.w.hosts {
			p := t.w.probe(h)
			follows := cmp.Or(h.source, "nobody")
			t.printf("%s has %s, follows %s, %s, acknowledges=%t", h.name, p.Position, follows, map[bool]string{true: "writable", false: "read-only"}[h.writable], h.semi)
		}
	default:
		return fmt.Errorf("nothing prints %q", key)
	}
	return nil
}

// options reads key=value words; a word without = is an error.
func options(args []string) (map[string]string, error) {
	out := map[string]string{}
	for _, a := range args {
		k, v, ok := strings.Cut(a, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not key=value", a)
		}
		out[k] = v
	}
	return out, nil
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

func lasting(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		panic(err)
	}
	return d
}

// addressOf reads ".111".
func addressOf(s string) netip.Addr { return storyVIP(s) }
