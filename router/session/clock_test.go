package session

import (
	"testing"
	"time"

	"github.com/mmm-ha/mmm/router"
	"github.com/mmm-ha/mmm/router/lexer"
	"github.com/mmm-ha/mmm/router/route"
)

func TestTheEndOfAnAnswerIsOneMomentForAllWhoAsk(t *testing.T) {
	r := request{began: time.Now().Add(-time.Second)}
	first := r.over()
	if first < time.Second {
		t.Errorf("it began a second ago and took %v", first)
	}
	for time.Since(r.began) <= first { // until the clock has gone on
	}
	if again := r.over(); again != first || !r.end().Equal(r.began.Add(first)) {
		t.Errorf("%v, then %v; it ended at %v", first, again, r.end())
	}
}

func TestAPreparedStatementHasTheDigestOfTheModeItIsExecutedIn(t *testing.T) {
	st := &statement{sql: []byte(`SELECT "a" FROM t`)}
	if lexer.Digest(st.sql, 0) == lexer.Digest(st.sql, lexer.AnsiQuotes) {
		t.Fatal("the text reads the same in both modes")
	}
	for _, m := range []lexer.Mode{0, 0, lexer.AnsiQuotes, 0} {
		if got, want := st.digestIn(m), lexer.Digest(st.sql, m); got != want {
			t.Errorf("in mode %d: %d, want %d", m, got, want)
		}
	}
}

func TestAtRestASessionLearnsWhetherItMustEnd(t *testing.T) {
	farewell, kill := &router.Refusal{Code: 1053}, &router.Refusal{Code: 1927}
	for _, c := range []struct {
		name             string
		goodbye, closing *router.Refusal
		in               route.Transaction
		want             *router.Refusal
	}{
		{"nobody has said anything", nil, nil, route.NoTransaction, nil},
		{"told to end", farewell, nil, route.NoTransaction, farewell},
		{"told to end, in a transaction", farewell, nil, route.OnWriter, nil},
		{"killed in a transaction", farewell, kill, route.OnWriter, kill},
	} {
		s := &Session{outward: outward{goodbye: c.goodbye, closing: c.closing}, state: state{transaction: c.in}}
		now := time.Now()
		if got := s.rest(now); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if st := s.State(); st.Phase != router.Idle || !st.Since.Equal(now) || st.InTransaction != (c.in != route.NoTransaction) {
			t.Errorf("%s: %+v", c.name, st)
		}
	}
}
