package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mmm-ha/mmm/chaos/lab"
)

// TestMain lets the test binary be mmmlab itself: up starts it again as holder.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "hold" {
		main()
		return
	}
	os.Exit(lab.RunTests(m))
}

// run carries out one command line and returns what it printed.
func run(t *testing.T, work string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	root := newRoot()
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append(args, "--work", work))
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func mustRun(t *testing.T, work string, args ...string) string {
	t.Helper()
	out, err := run(t, work, args...)
	if err != nil {
		t.Fatalf("mmmlab %v: %v\n%s", args, err, out)
	}
	return out
}

// wantError runs a command line that must fail for the cause.
func wantError(t *testing.T, work, cause string, args ...string) {
	t.Helper()
	if out, err := run(t, work, args...); err == nil || !strings.Contains(err.Error(), cause) {
		t.Errorf("mmmlab %v: error %v, want one with %q\n%s", args, err, cause, out)
	}
}

// upBed makes a bed that is down again when the test ends.
func upBed(t *testing.T, work string, args ...string) record {
	t.Helper()
	mustRun(t, work, append([]string{"up"}, args...)...)
	r, err := loadRecord(work)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestBedLivesFromUpToDown(t *testing.T) {
	lab.Require(t, "netns", "mariadb")
	work := filepath.Join(t.TempDir(), "bed")
	wantError(t, work, "no bed runs there", "status")
	r := upBed(t, work, "--parts", "mysql")
	wantError(t, work, "a bed runs in", "up")

	mustRun(t, work, "kill-mysqld", "db1")
	wantError(t, work, "does not run", "kill-mysqld", "db1")
	wantError(t, work, "no host", "kill-mysqld", "db9")
	mustRun(t, work, "cut", "db3", "db4", "--one-way")
	mustRun(t, work, "freeze", "db2", "host")
	mustRun(t, work, "kill-host", "db4")
	out := mustRun(t, work, "status")
	for _, fact := range []string{"mysqld down (killed)", "frozen", "off", "cut: db3 > db4"} {
		if !strings.Contains(out, fact) {
			t.Errorf("status does not say %q:\n%s", fact, out)
		}
	}
	mustRun(t, work, "thaw", "db2", "host")
	mustRun(t, work, "start-host", "db4")
	mustRun(t, work, "heal")
	mustRun(t, work, "start-mysqld", "db1")

	mustRun(t, work, "down")
	if alive, err := r.alive(); err != nil || alive {
		t.Errorf("after down the holder lives: %t, %v", alive, err)
	}
	if _, err := os.Stat(work); !os.IsNotExist(err) {
		t.Errorf("after down the work directory: %v, want it gone", err)
	}
}

func TestUpClearsWhatAKilledHolderLeft(t *testing.T) {
	lab.Require(t, "netns")
	work := filepath.Join(t.TempDir(), "bed")
	r := upBed(t, work, "--parts", "bare")
	if err := unix.Kill(r.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// Its last thread may outlive it by a moment.
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if _, err := run(t, work, "status"); errors.Is(err, errNoBed) {
			break
		}
	}
	wantError(t, work, "no bed runs there", "status")
	upBed(t, work, "--parts", "bare")
	mustRun(t, work, "down")
}

func TestKeptFilesOutliveTheBed(t *testing.T) {
	lab.Require(t, "netns")
	work := filepath.Join(t.TempDir(), "bed")
	upBed(t, work, "--parts", "bare", "--keep")
	mustRun(t, work, "down")
	if _, err := os.Stat(filepath.Join(work, "log", "db1.host.log")); err != nil {
		t.Errorf("the log is gone: %v", err)
	}
	// Nobody's directory now: neither down nor up may remove what is in it.
	wantError(t, work, "no bed runs there", "down")
	wantError(t, work, "choose another", "up", "--parts", "bare")
}

func TestUpRefusesADirectoryWithOtherThings(t *testing.T) {
	lab.Require(t, "netns")
	work := t.TempDir()
	mine := filepath.Join(work, "thesis.txt")
	if err := os.WriteFile(mine, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantError(t, work, "choose another", "up", "--parts", "bare")
	wantError(t, work, "no bed runs there", "down")
	if _, err := os.Stat(mine); err != nil {
		t.Error(err)
	}
}

func TestDownSparesAnotherProcessWithThePid(t *testing.T) {
	lab.Require(t, "netns")
	r, err := newRecord(os.Getpid(), false)
	if err != nil {
		t.Fatal(err)
	}
	r.Start++ // as if the holder had ended and its pid gone to this process
	if err := r.end(); err != nil {
		t.Error(err)
	}
}

func TestEveryFaultHasAScript(t *testing.T) {
	for name := range faults {
		if name == "stop-agent" {
			continue // no fault: what an operator does
		}
		text, err := os.ReadFile(filepath.Join("..", "..", "chaos", name))
		if err != nil {
			t.Error(err)
			continue
		}
		if n := bytes.Count(text, []byte("\n")); n > 15 || !bytes.Contains(text, []byte("}\" "+name+" \"$@\"")) {
			t.Errorf("chaos/%s: %d lines, or it does not call mmmlab %s", name, n, name)
		}
	}
}
