package load

import (
	"database/sql/driver"
	"errors"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// at is a journal with acknowledgements (and one unknown attempt each 5 ms
// before) that end at the given milliseconds.
func at(t *testing.T, base time.Time, ms ...int) *Journal {
	t.Helper()
	j, err := NewJournal("c", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range ms {
		end := base.Add(time.Duration(m) * time.Millisecond)
		for k, o := range []Outcome{Unknown, Acked} {
			if err := j.add(Attempt{Seq: uint64(2*i + k + 1), Start: end.Add(-time.Millisecond), End: end, Outcome: o}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return j
}

func TestLongestGapIsBetweenAcknowledgements(t *testing.T) {
	base := time.Now()
	tests := []struct {
		name         string
		acks         []int
		from, to     int
		wantFrom     int
		wantLength   int
		wantOpenOnly bool
	}{
		{"outage inside the window", []int{0, 10, 20, 520, 530}, 5, 525, 20, 500, false},
		{"outage that began before and ended after the window", []int{0, 500}, 100, 200, 0, 500, false},
		{"longer outage outside is not counted", []int{0, 900, 910, 930, 2000}, 905, 925, 910, 20, false},
		{"no acknowledgement after", []int{0, 10}, 5, 300, 10, 290, true},
		{"no acknowledgement before", []int{400}, 100, 500, 100, 300, false},
		{"none at all", nil, 100, 500, 100, 400, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ms := func(n int) time.Time { return base.Add(time.Duration(n) * time.Millisecond) }
			g := at(t, base, tt.acks...).LongestGap(ms(tt.from), ms(tt.to))
			if !g.From.Equal(ms(tt.wantFrom)) || g.Length() != time.Duration(tt.wantLength)*time.Millisecond || g.Open != tt.wantOpenOnly {
				t.Errorf("gap from %v, %v long, open %t", g.From.Sub(base), g.Length(), g.Open)
			}
		})
	}
}

func TestFirstAckAfterDoesNotCountWritesAlreadyUnderWay(t *testing.T) {
	base := time.Now()
	j := at(t, base, 10, 20)
	a, ok := j.FirstAckAfter(base.Add(9*time.Millisecond + 500*time.Microsecond))
	if !ok || !a.End.Equal(base.Add(20*time.Millisecond)) {
		t.Errorf("first is %+v, %t", a, ok)
	}
}

func TestOnlyACertainNoIsRefused(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want Outcome
	}{
		{"read only", &mysql.MySQLError{Number: 1290}, Refused},
		{"interrupted commit", &mysql.MySQLError{Number: 1317}, Unknown},
		{"server shuts down", &mysql.MySQLError{Number: 1053}, Unknown},
		{"connection lost after the write", mysql.ErrInvalidConn, Unknown},
		{"nothing written", driver.ErrBadConn, Refused},
		{"anything else", errors.New("surprise"), Unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := outcomeOf(tt.err); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

func TestLongestWaitIsFromTheFirstTryToTheAcknowledgement(t *testing.T) {
	base := time.Now()
	ms := func(n int) time.Time { return base.Add(time.Duration(n) * time.Millisecond) }
	j, err := NewJournal("c", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range []struct {
		start, end int
		outcome    Outcome
	}{{0, 5, Acked}, {50, 60, Unknown}, {70, 71, Refused}, {90, 95, Acked}, {200, 210, Acked}, {300, 380, Unknown}} {
		if err := j.add(Attempt{Seq: uint64(i + 1), Start: ms(a.start), End: ms(a.end), Outcome: a.outcome}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ from, to, want int }{{0, 400, 45}, {92, 94, 45}, {96, 400, 10}, {0, 20, 5}, {300, 400, 0}} {
		if got := j.LongestWait(ms(c.from), ms(c.to)); got != time.Duration(c.want)*time.Millisecond {
			t.Errorf("from %d to %d: %s, want %d ms", c.from, c.to, got, c.want)
		}
	}
}
