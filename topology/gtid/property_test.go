package gtid

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// transaction is one explicit transaction of the model: of a MariaDB domain or
// of a MySQL origin, whose server is 0.
type transaction struct {
	where  string
	server uint32
	number uint64
}

// model is a set of explicit transactions. A MariaDB position stands for itself
// and for every transaction of a lower number that any of the servers 1, 2 and 3
// may have written.
type model map[transaction]bool

func modelOf(s Set) model {
	m := model{}
	for _, t := range s.mariadb {
		where := fmt.Sprint(t.domain)
		m[transaction{where, t.server, t.number}] = true
		for n := uint64(1); n < t.number; n++ {
			for server := uint32(1); server <= 3; server++ {
				m[transaction{where, server, n}] = true
			}
		}
	}
	for _, s := range s.mysql {
		for _, r := range s.runs {
			for n := r.first; n <= r.last; n++ {
				m[transaction{s.uuid + s.tag, 0, n}] = true
			}
		}
	}
	return m
}

// lacks is what m has and o lacks.
func (m model) lacks(o model) model {
	out := maps.Clone(m)
	maps.DeleteFunc(out, func(t transaction, _ bool) bool { return o[t] })
	return out
}

// numbers is how many different numbers there are, each counted once whoever
// wrote it, and the places they are in.
func (m model) numbers() (map[transaction]bool, map[string]bool) {
	numbers, places := map[transaction]bool{}, map[string]bool{}
	for t := range m {
		numbers[transaction{t.where, 0, t.number}] = true
		places[t.where] = true
	}
	return numbers, places
}

// drawSet writes a small set in an untidy way and reads it: few servers and
// numbers, so that two sets often have much in common.
func drawSet(t *rapid.T, label string) Set {
	var parts []string
	kind := rapid.IntRange(0, 4).Draw(t, label+" kind") // 0-1 MariaDB, 2-3 MySQL, 4 both
	if kind < 2 || kind == 4 {
		for domain := range 3 {
			if n := rapid.IntRange(0, 7).Draw(t, label+" number"); n > 0 {
				parts = append(parts, fmt.Sprintf("%d-%d-%d", domain, rapid.IntRange(1, 3).Draw(t, label+" server"), n))
			}
		}
	}
	if kind >= 2 {
		for _, from := range []string{uuidA, uuidA + ":tag", strings.ToUpper(uuidB)} {
			for range rapid.IntRange(0, 3).Draw(t, label+" runs") {
				first := rapid.IntRange(1, 12).Draw(t, label+" first")
				last := first + rapid.IntRange(0, 4).Draw(t, label+" more")
				parts = append(parts, fmt.Sprintf("%s:%d-%d", from, first, last))
			}
		}
	}
	r := rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, label+" order")))
	r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	s, err := Parse(strings.Join(parts, rapid.SampledFrom([]string{",", ",\n", " , "}).Draw(t, label+" separator")))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSetsDoWhatExplicitTransactionsWouldDo compares with a model that has
// nothing but a list of transactions.
func TestSetsDoWhatExplicitTransactionsWouldDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawSet(t, "a"), drawSet(t, "b")
		ma, mb := modelOf(a), modelOf(b)
		missing := ma.lacks(mb)
		if got, want := b.Contains(a), len(missing) == 0; got != want {
			t.Fatalf("%s contains %s: got %v, want %v", b, a, got, want)
		}
		if got, want := a.Equal(b), maps.Equal(ma, mb); got != want {
			t.Fatalf("%s equals %s: got %v, want %v", b, a, got, want)
		}
		if got, want := a.Empty(), len(ma) == 0; got != want {
			t.Fatalf("%s is empty: got %v, want %v", a, got, want)
		}
		checkMinus(t, a, b)
		checkUnion(t, a, b)
		checkDistance(t, a, b)
		highest := uint64(0)
		for t := range ma {
			highest = max(highest, t.number)
		}
		if got := a.Highest(); got != highest {
			t.Fatalf("highest of %s is %d, want %d", a, got, highest)
		}
	})
}

// checkMinus: of MySQL what is missing, of MariaDB all of a domain in which
// something is missing.
func checkMinus(t *rapid.T, a, b Set) {
	missing := modelOf(a).lacks(modelOf(b))
	want := maps.Clone(missing)
	_, places := missing.numbers()
	for x := range modelOf(Set{mariadb: a.mariadb}) {
		if places[x.where] {
			want[x] = true
		}
	}
	if got := modelOf(a.Minus(b)); !maps.Equal(got, want) {
		t.Fatalf("%s minus %s is %s", a, b, a.Minus(b))
	}
}

// checkUnion: both together, but of two last transactions with one number the
// one of the higher server.
func checkUnion(t *rapid.T, a, b Set) {
	want := modelOf(a)
	maps.Copy(want, modelOf(b))
	for _, x := range a.mariadb {
		y, ok := b.mariadb.find(x.domain)
		if ok && x.number == y.number && x.server != y.server {
			delete(want, transaction{fmt.Sprint(x.domain), min(x.server, y.server), x.number})
		}
	}
	if got := modelOf(a.Union(b)); !maps.Equal(got, want) {
		t.Fatalf("%s and %s are %s", a, b, a.Union(b))
	}
}

// checkDistance: the numbers that b has from nobody, and one more for a place
// where b has the last number from somebody else.
func checkDistance(t *rapid.T, a, b Set) {
	mine, _ := modelOf(a).numbers()
	theirs, _ := modelOf(b).numbers()
	more := model(mine).lacks(theirs)
	_, parted := modelOf(a).lacks(modelOf(b)).numbers()
	_, counted := more.numbers()
	want := len(more)
	for place := range parted {
		if !counted[place] {
			want++
		}
	}
	if got := Distance(a, b); got != uint64(want) {
		t.Fatalf("%s has %d more than %s, want %d", a, got, b, want)
	}
}

func TestSetsObeyTheLaws(t *testing.T) {
	opposite := map[Order]Order{Equal: Equal, Before: After, After: Before, Diverged: Diverged}
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawSet(t, "a"), drawSet(t, "b"), drawSet(t, "c")
		before := fmt.Sprint(a, b, c)
		ab := a.Union(b)
		laws := []struct {
			name string
			ok   bool
		}{
			{"a contains a", a.Contains(a)},
			{"a contains nothing", a.Contains(Set{})},
			{"a and a are a", reflect.DeepEqual(a.Union(a), a)},
			{"a and nothing are a", reflect.DeepEqual(a.Union(Set{}), a)},
			{"a and b are b and a", reflect.DeepEqual(ab, b.Union(a))},
			{"(a and b) and c are a and (b and c)", reflect.DeepEqual(ab.Union(c), a.Union(b.Union(c)))},
			{"a less a is nothing", reflect.DeepEqual(a.Minus(a), Set{})},
			{"a less nothing is a", reflect.DeepEqual(a.Minus(Set{}), a)},
			{"a contains what is left of it", a.Contains(a.Minus(b))},
			{"nothing is left when b contains a", a.Minus(b).Empty() == b.Contains(a)},
			{"what is left makes b whole", reflect.DeepEqual(a.Minus(b).Union(b), ab)},
			{"a and b contain one of them at least", ab.Contains(a) || ab.Contains(b) || Compare(a, b) == Diverged},
			{"containing both ways is being equal", (a.Contains(b) && b.Contains(a)) == a.Equal(b)},
			{"equal sets read the same", a.Equal(b) == (a.String() == b.String())},
			{"containing goes on", !a.Contains(b) || !b.Contains(c) || a.Contains(c)},
			{"what contains both contains their union", !c.Contains(a) || !c.Contains(b) || c.Contains(ab)},
			{"orders are opposite", Compare(a, b) == opposite[Compare(b, a)]},
			{"no distance when b contains a", (Distance(a, b) == 0) == b.Contains(a)},
			{"nothing was changed", fmt.Sprint(a, b, c) == before},
		}
		for _, law := range laws {
			if !law.ok {
				t.Fatalf("%s: broken by a = %q, b = %q, c = %q", law.name, a, b, c)
			}
		}
	})
}

// stateAfter is the state of a server whose binlog has these transactions.
func stateAfter(t *rapid.T, history []triple) State {
	var text []string
	known := map[uint32]bool{}
	for _, x := range slices.Backward(history) {
		if !known[x.server] {
			text = append(text, x.String())
		}
		known[x.server] = true
	}
	slices.Reverse(text) // the latest comes last
	s, err := ParseState(strings.Join(text, ","))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestErrantSeesEveryTail: two hosts share a history, then server 1 and server 2
// each write a tail of their own. However long the other tail is, and although
// positions often show nothing, the state names the tail's end.
func TestErrantSeesEveryTail(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := uint64(0)
		var common []triple
		for range rapid.IntRange(0, 8).Draw(t, "common") {
			number++
			common = append(common, triple{0, uint32(rapid.IntRange(1, 3).Draw(t, "server")), number})
		}
		tail := func(server uint32, length int) []triple {
			history := slices.Clone(common)
			for i := range length {
				history = append(history, triple{0, server, number + uint64(i) + 1})
			}
			return history
		}
		one, two := rapid.IntRange(0, 4).Draw(t, "tail of 1"), rapid.IntRange(0, 4).Draw(t, "tail of 2")
		mine, theirs := stateAfter(t, tail(1, one)), stateAfter(t, tail(2, two))
		var want []string
		if one > 0 {
			want = []string{triple{0, 1, number + uint64(one)}.String()}
		}
		if got := Errant(mine, theirs); !slices.Equal(got, want) {
			t.Fatalf("%s against %s: got %v, want %v", mine, theirs, got, want)
		}
		if one > 0 && one == two && Compare(mine.Position(), theirs.Position()) != Diverged {
			t.Fatalf("%s and %s have not diverged", mine.Position(), theirs.Position())
		}
	})
}
