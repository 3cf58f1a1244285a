package gtid

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"pgregory.net/rapid"
)

// failer is a *testing.T or a *rapid.T.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// server is a real MariaDB, asked through one session.
type server struct {
	ctx  context.Context
	conn *sql.Conn
}

func (s server) do(t failer, statements ...string) {
	t.Helper()
	for _, q := range statements {
		if _, err := s.conn.ExecContext(s.ctx, q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}

func (s server) ask(t failer, query string, args ...any) string {
	t.Helper()
	var answer string
	if err := s.conn.QueryRowContext(s.ctx, query, args...).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return answer
}

// binlog is the position and the state of the server, as this package reads them.
func (s server) binlog(t failer) (Set, State) {
	t.Helper()
	position, err := ParseFlavor(MariaDB, s.ask(t, "SELECT @@GLOBAL.gtid_binlog_pos"))
	if err != nil {
		t.Fatalf("%v", err)
	}
	st, err := ParseState(s.ask(t, "SELECT @@GLOBAL.gtid_binlog_state"))
	if err != nil {
		t.Fatalf("%v", err)
	}
	return position, st
}

// TestRealServerAgrees is everything that a real MariaDB can say of what this
// package believes. The subtests use one server, one after the other.
func TestRealServerAgrees(t *testing.T) {
	s := server{t.Context(), startMariaDB(t)}
	s.do(t, "CREATE DATABASE app", "CREATE TABLE app.t (a INT)")
	t.Run("what it accepts is accepted, and means the same", s.testAccepts)
	t.Run("what it has reached is contained", s.testReached)
	t.Run("its binlog's position and state are understood", s.testBinlog)
	t.Run("it takes a state back", s.testTakesStateBack)
	t.Run("two servers that part are told apart", s.testParting)
}

func (s server) testAccepts(t *testing.T) {
	tests := []struct {
		text string
		only string // who accepts it, when not both or none
	}{
		{"", ""}, {"0-1-1", ""}, {"0-1-1,1-2-3", ""}, {"1-2-3,0-1-1", ""}, {"0-1-1, 1-2-3", ""}, {"0-1-1,\n1-2-3", ""}, {" 0-1-1", ""},
		{"00-01-05", ""}, {"0-0-1", ""}, {"0- 1- 1", ""}, {"0-1-0", ""}, {"0-1-0,1-1-1", ""},
		{"4294967295-4294967295-18446744073709551615", ""}, {"0-1-18446744073709551616", ""}, {"4294967296-1-1", ""}, {"0-4294967296-1", ""},
		{"0-1-1,0-2-2", ""}, {"0-1-1,0-1-1", ""}, {"0-1-1,", ""}, {",0-1-1", ""}, {",", ""}, {"0-1-1,,1-1-1", ""},
		{"0-1", ""}, {"0-1-1-1", ""}, {"0-1--1", ""}, {"-0-1-1", ""}, {"x", ""}, {"0-1-0x5", ""}, {uuidA + ":1-5", ""},
		{"0-1-1 ,1-2-3", "we"}, {"0-1-1\n", "we"}, {" ", "we"}, {"0 -1-1", "we"},
		{"+0-1-1", "server"},
	}
	for _, tt := range tests {
		_, refusal := s.conn.ExecContext(s.ctx, "SET GLOBAL gtid_slave_pos = ?", tt.text)
		var protocol *mysql.MySQLError
		if refusal != nil && !errors.As(refusal, &protocol) {
			t.Fatal(refusal)
		}
		got, err := ParseFlavor(MariaDB, tt.text)
		only := ""
		switch theirs, ours := refusal == nil, err == nil; {
		case ours && !theirs:
			only = "we"
		case theirs && !ours:
			only = "server"
		}
		if only != tt.only {
			t.Errorf("%q: the server says %v, we say %v", tt.text, refusal, err)
		}
		if refusal != nil || err != nil {
			continue
		}
		shown, err := ParseFlavor(MariaDB, s.ask(t, "SELECT @@GLOBAL.gtid_slave_pos"))
		if err != nil || !shown.Equal(got) {
			t.Errorf("%q: the server made it %q, we %q (%v)", tt.text, shown, got, err)
		}
	}
}

// testReached sets a position and waits, not at all, for another one. The server
// looks at numbers alone, so of two servers' transactions with one number it
// takes either for the other; there Contains says no, and nowhere else.
func (s server) testReached(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawPosition(t, "a"), drawPosition(t, "b")
		s.do(t, "SET GLOBAL gtid_slave_pos = '"+a.String()+"'")
		reached := s.ask(t, "SELECT MASTER_GTID_WAIT(?, 0)", b.String()) == "0"
		parted := slices.ContainsFunc(b.mariadb, func(y triple) bool {
			x, ok := a.mariadb.find(y.domain)
			return ok && x.number == y.number && x.server != y.server
		})
		if a.Contains(b) != (reached && !parted) {
			t.Fatalf("at %q the server has reached %q: %v; we say %v", a, b, reached, a.Contains(b))
		}
	})
	s.do(t, "SET GLOBAL gtid_slave_pos = ''")
}

func drawPosition(t *rapid.T, label string) Set {
	var parts []string
	for domain := range 3 {
		if rapid.Bool().Draw(t, label+" has domain") {
			parts = append(parts, fmt.Sprintf("%d-%d-%d", domain,
				rapid.IntRange(1, 2).Draw(t, label+" server"), rapid.IntRange(0, 4).Draw(t, label+" number")))
		}
	}
	p, err := ParseFlavor(MariaDB, strings.Join(parts, ","))
	if err != nil {
		t.Fatalf("%v", err)
	}
	return p
}

// testBinlog writes rows as several servers in several domains and jumps ahead
// at times, as a new reign does.
func (s server) testBinlog(t *testing.T) {
	s.do(t, "RESET MASTER") // the positions set before have moved its counters
	rapid.Check(t, func(t *rapid.T) {
		latest, _ := s.binlog(t)
		for range rapid.IntRange(1, 6).Draw(t, "bursts") {
			before, stateBefore := s.binlog(t)
			wrote := map[string]bool{}
			rows := uint64(0)
			for range rapid.IntRange(1, 3).Draw(t, "rows") {
				domain, id := rapid.IntRange(0, 1).Draw(t, "domain"), rapid.IntRange(1, 3).Draw(t, "server")
				s.do(t, fmt.Sprintf("SET gtid_domain_id = %d, server_id = %d", domain, id))
				if rapid.IntRange(0, 3).Draw(t, "jump") == 0 {
					mine, _ := latest.mariadb.find(uint32(domain))
					ahead := rapid.Uint64Range(0, 1000).Draw(t, "ahead")
					s.do(t, fmt.Sprintf("SET gtid_seq_no = %d", mine.number+1+ahead))
					rows += ahead
				}
				s.do(t, "INSERT INTO app.t VALUES (1)")
				rows++
				wrote[fmt.Sprintf("%d-%d", domain, id)] = true
				latest, _ = s.binlog(t)
			}
			after, stateAfter := s.binlog(t)
			if !stateAfter.Position().Equal(after) {
				t.Fatalf("state %s says %s, the server %s", stateAfter, stateAfter.Position(), after)
			}
			if Compare(before, after) != Before || Distance(after, before) != rows {
				t.Fatalf("%d numbers led from %s to %s: %s, %d", rows, before, after, Compare(before, after), Distance(after, before))
			}
			errant := Errant(stateAfter, stateBefore)
			for _, gtid := range errant {
				if pair := gtid[:strings.LastIndex(gtid, "-")]; !wrote[pair] {
					t.Fatalf("%s is said to be new in %s", gtid, stateAfter)
				}
			}
			if len(errant) != len(wrote) || Errant(stateBefore, stateAfter) != nil {
				t.Fatalf("written by %v, errant %v; from %s to %s", wrote, errant, stateBefore, stateAfter)
			}
		}
	})
}

func (s server) testTakesStateBack(t *testing.T) {
	for _, text := range []string{"", "0-1-27,0-2-28", "7-1-1,0-3-1,0-1-10,0-2-3"} {
		want, err := ParseState(text)
		if err != nil {
			t.Fatal(err)
		}
		s.do(t, "RESET MASTER", "SET GLOBAL gtid_binlog_state = '"+want.String()+"'")
		position, got := s.binlog(t)
		if got.String() != want.String() || !position.Equal(want.Position()) {
			t.Errorf("%q: the server made it %q at %q, we %q at %q", text, got, position, want, want.Position())
		}
	}
}

// testParting is a failover after which the old writer comes back with one
// transaction that nobody received.
func (s server) testParting(t *testing.T) {
	insert := "INSERT INTO app.t VALUES (1)"
	begin := func(id int) {
		s.do(t, "RESET MASTER", "SET GLOBAL gtid_binlog_state = '0-1-26'", fmt.Sprintf("SET gtid_domain_id = 0, server_id = %d", id), insert)
	}
	begin(1)
	old, oldState := s.binlog(t)
	begin(2)
	new1, newState1 := s.binlog(t)
	s.do(t, insert)
	new2, newState2 := s.binlog(t)
	if old.String() != "0-1-27" || new1.String() != "0-2-27" || new2.String() != "0-2-28" {
		t.Fatalf("the server numbered %s, %s, %s", old, new1, new2)
	}
	if got := Compare(old, new1); got != Diverged {
		t.Errorf("%s and %s are %s", old, new1, got)
	}
	if got := Compare(old, new2); got != Before {
		t.Errorf("%s and %s are %s: positions cannot show this", old, new2, got)
	}
	for _, theirs := range []State{newState1, newState2} {
		if got := Errant(oldState, theirs); !slices.Equal(got, []string{"0-1-27"}) {
			t.Errorf("%s against %s: %v", oldState, theirs, got)
		}
	}
	if got := Errant(newState1, newState2); got != nil {
		t.Errorf("%s against %s: %v", newState1, newState2, got)
	}
}
