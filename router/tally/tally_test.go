package tally

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func statement(digest uint64, took time.Duration) *Statement {
	return &Statement{
		Session: 7, User: "app", SQL: []byte("select 42"), Digest: digest, Target: Reader, Host: "db2", Why: "it only reads", Took: took,
	}
}

func normal(sql []byte, _ uint8) string { return strings.ReplaceAll(string(sql), "42", "?") }

func TestWhatIsCountedIsTold(t *testing.T) {
	var c Counts
	var b Board
	b.Ended(&c, &Statement{Target: Writer, Took: time.Millisecond})
	b.Ended(&c, &Statement{Target: Writer, Took: time.Hour, Code: 1062, Held: time.Second})
	b.Ended(&c, &Statement{Target: Reader, Took: 0, Retried: true})
	c.Bytes(10, 200)
	var sum Totals
	sum.Add(&c)
	sum.Add(&c)
	w := sum.Of(Writer)
	if w.Statements != 4 || w.Errors != 2 || w.Sum != 2*(time.Hour+time.Millisecond) || w.Times[bucket(time.Millisecond)] != 2 || w.Times[len(Bounds)] != 2 {
		t.Errorf("%+v", w)
	}
	if sum.Of(Reader).Statements != 2 || sum.Retried != 2 || sum.Held != 2 || sum.HeldFor != 2*time.Second || sum.Received != 20 || sum.Sent != 400 {
		t.Errorf("%+v", sum)
	}
}

func TestAStatementOfAKnownKindAllocatesNothing(t *testing.T) {
	b := Board{Digests: NewDigests(100), Slow: NewSlowLog(slog.New(slog.DiscardHandler)), Trace: NewTracer(), Normal: normal}
	var c Counts
	s := statement(1, time.Millisecond)
	b.Ended(&c, s)
	if n := testing.AllocsPerRun(100, func() { b.Ended(&c, s) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkEnded(b *testing.B) {
	board := Board{Digests: NewDigests(100), Slow: NewSlowLog(slog.New(slog.DiscardHandler)), Trace: NewTracer(), Normal: normal}
	var c Counts
	s := statement(1, time.Millisecond)
	b.ReportAllocs()
	for b.Loop() {
		board.Ended(&c, s)
	}
}

func TestDigestsAreBoundedAndNothingIsLostOfTheSums(t *testing.T) {
	d := NewDigests(shards)
	b := Board{Digests: d, Normal: normal}
	const kinds = 10 * shards
	var done sync.WaitGroup
	for range 4 {
		done.Go(func() {
			var c Counts
			for i := range uint64(kinds) {
				b.Ended(&c, statement(i+1, time.Second))
			}
		})
	}
	done.Wait()
	all := d.All()
	if len(all) != shards+1 {
		t.Errorf("%d kinds in room for %d", len(all), shards)
	}
	var count uint64
	var sum time.Duration
	for _, kind := range all {
		count += kind.Count
		sum += kind.Sum
	}
	if count != 4*kinds || sum != 4*kinds*time.Second {
		t.Errorf("%d statements in %s", count, sum)
	}
	if last := all[len(all)-1]; last.Hash != 0 || last.Text != "(others)" {
		t.Errorf("the last is %+v", last)
	}
}

func TestADigestShowsNoLiteral(t *testing.T) {
	for _, b := range []Board{{Digests: NewDigests(10), Normal: normal}, {Digests: NewDigests(10)}} {
		var c Counts
		b.Ended(&c, statement(1, time.Second))
		b.Ended(&c, statement(1, 3*time.Second))
		got := b.Digests.All()
		if len(got) != 1 || got[0].Count != 2 || got[0].ToReader != 2 || got[0].Sum != 4*time.Second || got[0].Max != 3*time.Second || strings.Contains(got[0].Text, "42") {
			t.Errorf("%+v", got)
		}
	}
}

func TestALongKindIsCut(t *testing.T) {
	b := Board{Digests: NewDigests(10), Normal: func([]byte, uint8) string { return strings.Repeat("x", 10*longestDigest) }}
	var c Counts
	b.Ended(&c, statement(1, 0))
	if got := len(b.Digests.All()[0].Text); got > longestDigest+len("…") {
		t.Errorf("%d bytes", got)
	}
}

// slow runs a slow log; the returned function ends it and returns what it wrote.
func slow(t *testing.T, threshold time.Duration) (s *SlowLog, path string, end func() []map[string]any) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "slow.log")
	s = NewSlowLog(slog.New(slog.DiscardHandler))
	if err := s.Use(path, threshold); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return s, path, func() []map[string]any {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		return lines(t, path)
	}
}

func lines(t *testing.T, path string) []map[string]any {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]any
	for line := range bytes.Lines(data) {
		var one map[string]any
		if err := json.Unmarshal(line, &one); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all = append(all, one)
	}
	return all
}

func TestTheSlowLogHasWhatTookLongAndNoLiteral(t *testing.T) {
	s, _, end := slow(t, time.Second)
	b := Board{Slow: s, Normal: normal}
	var c Counts
	b.Ended(&c, statement(1, time.Second-1))
	b.Ended(&c, statement(2, time.Second))
	got := end()
	if len(got) != 1 || got[0]["seconds"] != 1.0 || got[0]["text"] != "select ?" || got[0]["target"] != "reader" || got[0]["host"] != "db2" || got[0]["digest"] != "2" {
		t.Errorf("%v", got)
	}
}

func TestTheSlowLogIsOpenedAnew(t *testing.T) {
	s, path, end := slow(t, 0)
	b := Board{Slow: s, Normal: normal}
	var c Counts
	b.Ended(&c, statement(1, time.Second))
	for written, _ := s.Counts(); written < 1; written, _ = s.Counts() {
		time.Sleep(time.Millisecond)
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := s.Use(path, 0); err != nil {
		t.Fatal(err)
	}
	b.Ended(&c, statement(2, time.Second))
	if now, before := end(), lines(t, path+".1"); len(now) != 1 || len(before) != 1 {
		t.Errorf("%d lines in the new file, %d in the old one", len(now), len(before))
	}
	if err := s.Use(filepath.Join(path, "below a file"), 0); err == nil {
		t.Error("a path that cannot be is taken")
	}
}

func TestASlowLogThatCannotKeepUpDelaysNobody(t *testing.T) {
	s := NewSlowLog(slog.New(slog.DiscardHandler)) // nobody writes
	if err := s.Use(filepath.Join(t.TempDir(), "slow.log"), 0); err != nil {
		t.Fatal(err)
	}
	b := Board{Slow: s}
	var c Counts
	for range slowQueue + 5 {
		b.Ended(&c, statement(1, time.Second))
	}
	if _, dropped := s.Counts(); dropped != 5 {
		t.Errorf("%d dropped", dropped)
	}
}

func TestATraceIsHeardByWhoListens(t *testing.T) {
	tracer := NewTracer()
	b := Board{Trace: tracer}
	var c Counts
	b.Ended(&c, statement(1, time.Second)) // nobody listens
	all, one := tracer.Listen(0), tracer.Listen(8)
	b.Ended(&c, statement(1, time.Second))
	other := statement(1, time.Second)
	other.Session = 8
	b.Ended(&c, other)
	if got := fmt.Sprint((<-all.C).Session, (<-all.C).Session, (<-one.C).Session, len(all.C), len(one.C)); got != "7 8 8 0 0" {
		t.Error(got)
	}
	all.Close()
	all.Close()
	if !tracer.On() {
		t.Error("one still listens")
	}
	one.Close()
	if tracer.On() {
		t.Error("nobody listens")
	}
}

func TestATraceShowsLiteralsOnlyWhenToldTo(t *testing.T) {
	tracer := NewTracer()
	b := Board{Trace: tracer, Normal: normal}
	l := tracer.Listen(0)
	defer l.Close()
	secret := statement(1, time.Second)
	secret.SQL = []byte("SELECT 42")
	b.Ended(new(Counts), secret)
	if got := (<-l.C).SQL; got == "" || strings.Contains(got, "42") {
		t.Errorf("%q", got)
	}
	tracer.ShowLiterals(true)
	b.Ended(new(Counts), secret)
	if got := (<-l.C).SQL; got != string(secret.SQL) {
		t.Errorf("%q", got)
	}
}

func TestWhoListensToTheTraceTooSlowlyDelaysNobody(t *testing.T) {
	tracer := NewTracer()
	l := tracer.Listen(0)
	defer l.Close()
	b := Board{Trace: tracer}
	var c Counts
	for range traceQueue + 3 {
		b.Ended(&c, statement(1, 0))
	}
	if l.Dropped.Load() != 3 || len(l.C) != traceQueue {
		t.Errorf("%d dropped, %d queued", l.Dropped.Load(), len(l.C))
	}
}

func TestADigestWasLastSeenWhenItsStatementEnded(t *testing.T) {
	b := &Board{Digests: NewDigests(10)}
	at := time.Now().Add(-time.Hour)
	for i := range 2 { // the first one is learnt, the second one is known
		at = at.Add(time.Minute)
		b.Ended(new(Counts), &Statement{Digest: 7, Target: Writer, At: at})
		if all := b.Digests.All(); len(all) != 1 || !all[0].Last.Equal(at) || all[0].Count != uint64(i+1) {
			t.Errorf("%+v, want %v", all, at)
		}
	}
}
