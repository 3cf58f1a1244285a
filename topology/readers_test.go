package topology

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// testVIP is the n-th reader VIP of these tests.
func testVIP(n int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(100 + n)}) }

// heldVIPs reads "db1 db2 - db1": who holds VIP 0, 1, 2, 3; "-" is nobody.
func heldVIPs(text string) map[netip.Addr]string {
	out := map[netip.Addr]string{}
	for i, name := range strings.Fields(text) {
		if name != "-" {
			out[testVIP(i)] = name
		}
	}
	return out
}

// writtenVIPs is the opposite of heldVIPs, for n VIPs.
func writtenVIPs(m map[netip.Addr]string, n int) string {
	var out []string
	for i := range n {
		name := m[testVIP(i)]
		if name == "" {
			name = "-"
		}
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

// readerHosts reads "db1 db2*3": hosts with weight 1 and 3.
func readerHosts(text string) []ReaderHost {
	var out []ReaderHost
	for _, f := range strings.Fields(text) {
		h := ReaderHost{Name: f, Weight: 1}
		if name, weight, ok := strings.Cut(f, "*"); ok {
			h.Name = name
			_, _ = fmt.Sscan(weight, &h.Weight)
		}
		out = append(out, h)
	}
	return out
}

func testVIPs(n int) []netip.Addr {
	var out []netip.Addr
	for i := range n {
		out = append(out, testVIP(i))
	}
	return out
}

func TestReaderVIPsGoWhereTheyShould(t *testing.T) {
	tests := []struct{ name, hosts, prev, pins, want string }{
		{"nobody is there", "", "db1 db2", "", "- -"},
		{"new cluster", "db1 db2 db3", "- - - -", "", "db1 db1 db2 db3"},
		{"nothing moves without a cause", "db1 db2 db3 db4", "db3 db1 db4 db2", "", "db3 db1 db4 db2"},
		{"order of the hosts is no cause", "db4 db2 db1 db3", "db3 db1 db4 db2", "", "db3 db1 db4 db2"},
		{"a lost host's VIP goes to another", "db1 db2 db3", "db1 db2 db3 db4", "", "db1 db2 db3 db1"},
		{"a returned host gets one back", "db1 db2 db3 db4", "db1 db2 db3 db1", "", "db1 db2 db3 db4"},
		{"the last host holds all", "db3", "db1 db2 db3 db4", "", "db3 db3 db3 db3"},
		{"two return at once", "db1 db2 db3", "db3 db3 db3", "", "db3 db1 db2"},
		{"one too many is not moved to and fro", "db1 db2", "db2 db2 db1", "", "db2 db2 db1"},
		{"a pin comes before balance", "db1 db2", "db1 db2 db1 db2", "db2 db2 db2 db2", "db2 db2 db2 db2"},
		{"a pin counts for the balance", "db1 db2", "db1 db1 db2 db2", "db2 - - -", "db2 db1 db2 db1"},
		{"a pin to an absent host is ignored", "db1 db2", "db1 db2", "db3 db3", "db1 db2"},
		{"a pin holds on a host of weight 0", "db1 db2*0", "- -", "db2 -", "db2 db1"},
		{"weights are shares", "db1*2 db2*1", "- - - - - -", "", "db1 db1 db1 db1 db2 db2"},
		{"weight 0 gets none", "db1 db2*0", "db2 db2", "", "db1 db1"},
		{"weight 0 serves when alone", "db2*0", "db1 db1", "", "db2 db2"},
		{"all of weight 0 are equals", "db1*0 db2*0", "- -", "", "db1 db2"},
		{"below 0 is 0", "db1*-5 db2*1", "- -", "", "db2 db2"},
		{"a light one gets none while there are few", "db1*100 db2", "- -", "", "db1 db1"},
		{"a new heavy host takes only its share", "db1 db2 db3*2", "db1 db1 db2 db2", "", "db1 db3 db2 db3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := len(strings.Fields(tt.prev))
			got := AssignReaders(testVIPs(n), readerHosts(tt.hosts), heldVIPs(tt.prev), heldVIPs(tt.pins))
			if s := writtenVIPs(got, n); s != tt.want {
				t.Errorf("got %s, want %s", s, tt.want)
			}
		})
	}
}

func TestNoVIPsNeedNoHosts(t *testing.T) {
	if got := AssignReaders(nil, readerHosts("db1"), nil, nil); got == nil || len(got) != 0 {
		t.Errorf("got %v, want an empty map", got)
	}
	if got := AssignReaders(testVIPs(2), nil, nil, nil); got == nil || len(got) != 0 {
		t.Errorf("got %v, want an empty map", got)
	}
}

func TestUnknownVIPsOfPrevAndPinsAreIgnored(t *testing.T) {
	got := AssignReaders(testVIPs(1), readerHosts("db1 db2"), heldVIPs("db2 db1 db1"), heldVIPs("- db2"))
	if want := heldVIPs("db2"); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// readerQuestion is one call of AssignReaders.
type readerQuestion struct {
	vips       []netip.Addr
	hosts      []ReaderHost
	prev, pins map[netip.Addr]string
}

func (q readerQuestion) answer() map[netip.Addr]string {
	return AssignReaders(q.vips, q.hosts, q.prev, q.pins)
}

// drawReaderQuestion asks for up to so many VIPs and hosts. Some holders and pins name
// hosts that are not there.
func drawReaderQuestion(t *rapid.T, vips, hosts int) readerQuestion {
	q := readerQuestion{prev: map[netip.Addr]string{}, pins: map[netip.Addr]string{}}
	name := rapid.Custom(func(t *rapid.T) string { return fmt.Sprintf("db%d", rapid.IntRange(1, hosts+1).Draw(t, "n")) })
	plain := rapid.Bool().Draw(t, "equal weights")
	for i := range rapid.IntRange(0, hosts).Draw(t, "hosts") {
		h := ReaderHost{Name: fmt.Sprintf("db%d", i+1), Weight: 1}
		if !plain {
			h.Weight = rapid.IntRange(0, 4).Draw(t, "weight")
		}
		q.hosts = append(q.hosts, h)
	}
	pins := rapid.Bool().Draw(t, "pins")
	for i := range rapid.IntRange(0, vips).Draw(t, "vips") {
		q.vips = append(q.vips, testVIP(i))
		if rapid.IntRange(0, 3).Draw(t, "held") > 0 {
			q.prev[testVIP(i)] = name.Draw(t, "holder")
		}
		if pins && rapid.IntRange(0, 3).Draw(t, "pinned") == 0 {
			q.pins[testVIP(i)] = name.Draw(t, "pin")
		}
	}
	return q
}

func (q readerQuestion) weight(name string) (int, bool) {
	i := slices.IndexFunc(q.hosts, func(h ReaderHost) bool { return h.Name == name })
	if i < 0 {
		return 0, false
	}
	return q.hosts[i].Weight, true
}

// counts is how many VIPs each host has, hosts without any included.
func (q readerQuestion) counts(answer map[netip.Addr]string) map[string]int {
	out := map[string]int{}
	for _, h := range q.hosts {
		out[h.Name] = 0
	}
	for _, name := range answer {
		out[name]++
	}
	return out
}

// moves is how many VIPs leave a holder that is still there.
func (q readerQuestion) moves(answer map[netip.Addr]string) int {
	n := 0
	for vip, name := range answer {
		if _, there := q.weight(q.prev[vip]); there && q.prev[vip] != name {
			n++
		}
	}
	return n
}

func TestEveryVIPIsPlacedWhereItMayBe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := drawReaderQuestion(t, 12, 6)
		got := q.answer()
		weighted := slices.ContainsFunc(q.hosts, func(h ReaderHost) bool { return h.Weight > 0 })
		if want := len(q.vips); len(q.hosts) > 0 && len(got) != want || len(q.hosts) == 0 && len(got) != 0 {
			t.Fatalf("%d of %d VIPs placed on %d hosts", len(got), want, len(q.hosts))
		}
		for vip, name := range got {
			weight, there := q.weight(name)
			if !there || !slices.Contains(q.vips, vip) {
				t.Fatalf("%s on %q: no such host or VIP", vip, name)
			}
			if _, able := q.weight(q.pins[vip]); able && name != q.pins[vip] {
				t.Fatalf("%s is on %s, pinned to %s", vip, name, q.pins[vip])
			}
			if weighted && weight == 0 && q.pins[vip] != name {
				t.Fatalf("%s is on %s of weight 0", vip, name)
			}
		}
	})
}

func TestEqualHostsDifferByAtMostOneVIP(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := drawReaderQuestion(t, 12, 6)
		q.pins = nil
		for i := range q.hosts {
			q.hosts[i].Weight = 1
		}
		if len(q.hosts) == 0 {
			t.Skip("no host")
		}
		counts := slices.Sorted(maps.Values(q.counts(q.answer())))
		if counts[len(counts)-1]-counts[0] > 1 {
			t.Fatalf("counts are %v", counts)
		}
	})
}

func TestAssignmentDoesNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := drawReaderQuestion(t, 12, 6)
		want := q.answer()
		r := rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "seed")))
		r.Shuffle(len(q.vips), func(i, j int) { q.vips[i], q.vips[j] = q.vips[j], q.vips[i] })
		r.Shuffle(len(q.hosts), func(i, j int) { q.hosts[i], q.hosts[j] = q.hosts[j], q.hosts[i] })
		vips, hosts := slices.Clone(q.vips), slices.Clone(q.hosts)
		if got := q.answer(); !maps.Equal(got, want) {
			t.Fatalf("got %v, in another order %v", got, want)
		}
		if !slices.Equal(vips, q.vips) || !slices.Equal(hosts, q.hosts) {
			t.Fatal("the arguments were changed")
		}
	})
}

// TestAssignmentStaysTheSameWhileItIsCarriedOut: agents see each other's claims
// come and go while VIPs move. Were the answer to change on the way, a VIP might
// be taken by one and wanted by another for ever.
func TestAssignmentStaysTheSameWhileItIsCarriedOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := drawReaderQuestion(t, 12, 6)
		want := q.answer()
		before := maps.Clone(q.prev)
		for _, vip := range q.vips {
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 1: // given up, not yet taken
				if q.prev[vip] != want[vip] {
					delete(q.prev, vip)
				}
			case 2: // taken
				q.prev[vip] = want[vip]
			}
		}
		if got := q.answer(); !maps.Equal(got, want) {
			t.Fatalf("from %v the goal is %v; at %v it became %v", before, want, q.prev, got)
		}
		q.prev = want
		if got := q.answer(); !maps.Equal(got, want) {
			t.Fatalf("when all was done the goal became %v, was %v", got, want)
		}
	})
}

// TestFewestVIPsMove compares with every possible answer: among the fairest ones
// that keep the pins, none moves fewer VIPs.
func TestFewestVIPsMove(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := drawReaderQuestion(t, 5, 4)
		if len(q.hosts) == 0 {
			t.Skip("no host")
		}
		unfair, moves := q.search()
		got := q.answer()
		if u := q.unfairness(got); u != unfair {
			t.Fatalf("%v is unfair by %d, possible is %d", got, u, unfair)
		}
		if m := q.moves(got); m != moves {
			t.Fatalf("%v moves %d, possible is %d", got, m, moves)
		}
	})
}

// impossible is worse than any real unfairness of these small questions.
const impossible = 1 << 30

// unfairness is the sum of (VIPs x VIPs / weight) over the hosts, times 12 so
// that it is whole for the weights up to 4. It is the lowest when VIPs are in
// proportion to the weights. A host of weight 0 may only have what is pinned to it.
func (q readerQuestion) unfairness(answer map[netip.Addr]string) int {
	weighted := slices.ContainsFunc(q.hosts, func(h ReaderHost) bool { return h.Weight > 0 })
	for vip, name := range answer {
		if _, able := q.weight(q.pins[vip]); able && q.pins[vip] != name {
			return impossible
		}
		if weight, _ := q.weight(name); weighted && weight == 0 && q.pins[vip] != name {
			return impossible
		}
	}
	sum := 0
	for name, n := range q.counts(answer) {
		weight, _ := q.weight(name)
		switch {
		case !weighted:
			weight = 1
		case weight == 0:
			continue
		}
		sum += 12 * n * n / weight
	}
	return sum
}

// search tries every answer: the lowest unfairness, and the fewest moves with it.
func (q readerQuestion) search() (unfair, moves int) {
	unfair, moves = impossible, impossible
	answer := map[netip.Addr]string{}
	var try func(i int)
	try = func(i int) {
		if i == len(q.vips) {
			u, m := q.unfairness(answer), q.moves(answer)
			if u < unfair || u == unfair && m < moves {
				unfair, moves = u, m
			}
			return
		}
		for _, h := range q.hosts {
			answer[q.vips[i]] = h.Name
			try(i + 1)
		}
	}
	try(0)
	return unfair, moves
}
