package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// table is a source whose rows a test changes.
type table struct {
	rows  map[string]string // user -> password
	err   error
	reads []time.Time
}

func (s *table) read(_ context.Context, each func(user, host, privileges string)) error {
	s.reads = append(s.reads, time.Now())
	for user, password := range s.rows {
		d := doubleOf(password)
		each(user, "%", fmt.Sprintf(`{"plugin":"mysql_native_password","authentication_string":"*%X"}`, d[:]))
	}
	return s.err
}

// running is a loader whose loop runs until the function is called.
func running(t *testing.T, opt LoaderOptions) (*Loader, func()) {
	t.Helper()
	l, err := NewLoader(opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- l.Run(ctx) }()
	return l, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestAKickLoadsAtOnceButNotMoreThanOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &table{rows: map[string]string{"joe": "old"}}
		l, stop := running(t, LoaderOptions{Source: s.read, Every: time.Minute})
		synctest.Wait()
		time.Sleep(10 * time.Second)
		s.rows["joe"] = "new"
		l.Kick()
		synctest.Wait()
		if _, v := start(t, l.Now(), joe(), "new"); v.Do != Accept {
			t.Errorf("a kick after a rest does not load at once: %s", v.Why)
		}
		begun := time.Now()
		for range 100 {
			l.Kick()
			time.Sleep(50 * time.Millisecond)
		}
		stop()
		n := 0
		for _, at := range s.reads {
			if at.After(begun) {
				n++
			}
		}
		if n < 4 || n > 5 {
			t.Errorf("%d loads in five seconds of kicks", n)
		}
	})
}

func TestFreshWaitsForTheNextLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &table{rows: map[string]string{}}
		l, stop := running(t, LoaderOptions{Source: s.read, Every: time.Minute})
		defer stop()
		synctest.Wait()
		s.rows["joe"] = "secret"
		l.Kick()
		if a := l.Fresh(t.Context()); a.Users() != 1 {
			t.Errorf("%d users", a.Users())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		if l.Fresh(ctx); time.Since(begun) != time.Second {
			t.Errorf("nothing was to be loaded, and it waited %s", time.Since(begun))
		}
	})
}

func TestASourceThatFailsLeavesWhatIsKnown(t *testing.T) {
	var log strings.Builder
	s := &table{rows: map[string]string{"joe": "secret", "jane": "secret"}}
	l, err := NewLoader(LoaderOptions{Source: s.read, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	l.Load(t.Context())
	s.err = errors.New("gone away")
	delete(s.rows, "jane")
	for range 3 {
		l.Load(t.Context())
	}
	st := l.Status()
	if st.Users != 2 || st.Loads != 4 || !strings.Contains(st.ServerErr, "gone away") {
		t.Errorf("%+v", st)
	}
	if n := strings.Count(log.String(), "gone away"); n != 1 {
		t.Errorf("said %d times", n)
	}
	s.err = nil
	l.Load(t.Context())
	if st := l.Status(); st.Users != 1 || st.ServerErr != "" || !strings.Contains(log.String(), "can be read again") {
		t.Errorf("%+v", st)
	}
}

func TestASourceThatFailsIsAskedAgainSoonAndThenLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &table{rows: map[string]string{"joe": "secret"}, err: errors.New("no writer yet")}
		l, stop := running(t, LoaderOptions{Source: s.read, Every: time.Minute})
		defer stop()
		began := time.Now()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		var at []string
		for _, read := range s.reads {
			at = append(at, read.Sub(began).String())
		}
		if got := strings.Join(at, " "); got != "0s 1s 3s 7s" {
			t.Errorf("asked after %s", got)
		}
		s.err = nil
		time.Sleep(6 * time.Second) // at 15 s it works
		synctest.Wait()
		if st := l.Status(); st.Users != 1 || len(s.reads) != 5 {
			t.Errorf("%d loads; %+v", len(s.reads), st)
		}
		time.Sleep(50 * time.Second)
		synctest.Wait()
		if len(s.reads) != 5 {
			t.Errorf("a source that works was read again after less than a minute")
		}
	})
}

func TestABadFileKeepsTheLastGoodOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("users: [")
	if _, err := NewLoader(LoaderOptions{File: path}); err == nil {
		t.Error("it starts with a bad file")
	}
	write("users: [{user: joe, password: secret}]")
	l, err := NewLoader(LoaderOptions{File: path})
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"users: [{user: joe}]", "", "\x00"} {
		write(bad)
		l.Load(t.Context())
		if _, v := start(t, l.Now(), joe(), "secret"); v.Do != Accept || l.Status().FileError == "" {
			t.Errorf("%q: %s; %+v", bad, v.Do, l.Status())
		}
	}
	write("users: [{user: joe, password: new}]")
	l.Load(t.Context())
	if _, v := start(t, l.Now(), joe(), "new"); v.Do != Accept || l.Status().FileError != "" {
		t.Errorf("%s; %+v", v.Do, l.Status())
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	l.Load(t.Context())
	if _, v := start(t, l.Now(), joe(), "new"); v.Do != Accept || l.Status().FileError == "" {
		t.Errorf("the file is gone: %s; %+v", v.Do, l.Status())
	}
}
