package election

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mmm-ha/mmm/topology"
)

// lockHolderDir makes the test binary a process that takes the lock of that
// directory, says so and holds it until its input ends.
const lockHolderDir = "ELECTION_TEST_LOCK_DIR"

// R6: two agents on one host are impossible.
func TestHoldLockInAnotherProcess(t *testing.T) {
	dir := os.Getenv(lockHolderDir)
	if dir == "" {
		t.Skip("it is a part of TestSecondAgentIsToldWhoHoldsTheLock")
	}
	if _, err := Lock(dir); err != nil {
		t.Fatal(err)
	}
	os.Stdout.WriteString("locked\n")
	bufio.NewReader(os.Stdin).ReadByte()
}

func TestSecondAgentIsToldWhoHoldsTheLock(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestHoldLockInAnotherProcess$")
	cmd.Env = append(os.Environ(), lockHolderDir+"="+dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer stdin.Close()
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "locked\n" {
		t.Fatalf("the other process said %q: %v", line, err)
	}
	_, err = Lock(dir)
	if !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), "process "+strconv.Itoa(cmd.Process.Pid)+" ") {
		t.Errorf("error is %v, want ErrHeld with pid %d", err, cmd.Process.Pid)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	lock, err := Lock(dir)
	if err != nil {
		t.Fatalf("the lock outlived its process: %v", err)
	}
	if err := lock.Release(); err != nil {
		t.Error(err)
	}
}

func TestLockIsFreeAfterRelease(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		lock, err := Lock(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Lock(dir); !errors.Is(err, ErrHeld) {
			t.Errorf("second lock: %v", err)
		}
		if err := lock.Release(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestIdentityIsMadeOnceAndKept(t *testing.T) {
	dir := t.TempDir()
	first, created, err := Identity(dir)
	if err != nil || !created || len(first) != 36 {
		t.Fatalf("got %q, created %v, error %v", first, created, err)
	}
	again, created, err := Identity(dir)
	if err != nil || created || again != first {
		t.Errorf("second time got %q, created %v, error %v; want %q", again, created, err, first)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v, %v", entries, err)
	}
}

func TestIdentityIsOneForAllWhoMakeItAtOnce(t *testing.T) {
	dir := t.TempDir()
	var mu sync.Mutex
	seen := map[topology.HostID]int{}
	makers := 0
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			id, created, err := Identity(dir)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			seen[id]++
			if created {
				makers++
			}
		})
	}
	all.Wait()
	if len(seen) != 1 || makers != 1 {
		t.Errorf("%d identities by %d makers", len(seen), makers)
	}
}

// TestUnsafeFilesAreRefused puts all that is no plain file, or holds nonsense,
// where each of the files should be.
func TestUnsafeFilesAreRefused(t *testing.T) {
	uses := []struct {
		name, file string
		use        func(dir string) error
	}{
		{"identity", idFile, func(dir string) error { _, _, err := Identity(dir); return err }},
		{"lock", lockFile, func(dir string) error { _, err := Lock(dir); return err }},
		{"load highest", highestFile, func(dir string) error { _, err := LoadHighest(dir); return err }},
		{"save highest", highestFile, func(dir string) error {
			h := &Highest{path: filepath.Join(dir, highestFile)}
			return h.Save("c", 1)
		}},
		{"load runtime", runtimeFile, func(dir string) error { _, err := LoadRuntime(dir); return err }},
		{"save runtime", runtimeFile, func(dir string) error { return SaveRuntime(dir, Runtime{Lease: 1}) }},
	}
	puts := []struct {
		name string
		put  func(path, victim string) error
	}{
		{"symlink", func(path, victim string) error { return os.Symlink(victim, path) }},
		{"dangling symlink", func(path, victim string) error { return os.Symlink(victim+"-none", path) }},
		{"pipe", func(path, _ string) error { return unix.Mkfifo(path, 0o600) }},
		{"device", func(path, _ string) error { return unix.Mknod(path, unix.S_IFCHR|0o600, 1<<8|5) }}, // zero
		{"directory", func(path, _ string) error { return os.Mkdir(path, 0o700) }},
	}
	for _, use := range uses {
		for _, put := range puts {
			t.Run(use.name+"/"+put.name, func(t *testing.T) {
				dir, victim := t.TempDir(), filepath.Join(t.TempDir(), "victim")
				if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := put.put(filepath.Join(dir, use.file), victim); err != nil {
					if errors.Is(err, unix.EPERM) && put.name == "device" {
						t.Skip("making a device node needs more rights than this test has")
					}
					t.Fatal(err)
				}
				if err := use.use(dir); !errors.Is(err, ErrUnsafeFile) {
					t.Errorf("error is %v, want ErrUnsafeFile", err)
				}
				if data, err := os.ReadFile(victim); string(data) != "precious" || err != nil {
					t.Errorf("the file behind the link holds %q, %v", data, err)
				}
				if _, err := os.Lstat(victim + "-none"); err == nil {
					t.Error("the link was followed to make a file")
				}
			})
		}
	}
}

func TestLockDoesNotWriteToAFileWithASecondName(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(victim, filepath.Join(dir, lockFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(dir); !errors.Is(err, ErrUnsafeFile) {
		t.Errorf("error is %v", err)
	}
	if data, err := os.ReadFile(victim); string(data) != "precious" || err != nil {
		t.Errorf("victim holds %q, %v", data, err)
	}
}

func TestBrokenFilesAreNotTakenForNone(t *testing.T) {
	for name, content := range map[string]string{
		"empty": "", "nonsense": "\x00\x00", "cut": `{"v":1,"clu`, "of a later version": `{"v":2}`,
		"too long": strings.Repeat("x", fileLimit+1),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, file := range []string{idFile, highestFile, runtimeFile} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if id, _, err := Identity(dir); err == nil {
				t.Errorf("identity is %q", id)
			}
			if _, err := LoadHighest(dir); err == nil {
				t.Error("the highest epoch was loaded")
			}
			if _, err := LoadRuntime(dir); err == nil || errors.Is(err, ErrNoRecord) {
				t.Errorf("the runtime record gave %v", err)
			}
			if data, err := os.ReadFile(filepath.Join(dir, idFile)); string(data) != content || err != nil {
				t.Error("the identity was overwritten")
			}
		})
	}
}

func TestHighestNeverGoesDown(t *testing.T) {
	dir := t.TempDir()
	steps := []struct {
		cluster    string
		save, want topology.Rev
	}{{"a", 5, 5}, {"a", 3, 5}, {"a", 5, 5}, {"b", 2, 2}, {"a", 9, 9}, {"b", 0, 2}, {"b", -1, 2}}
	for _, step := range steps {
		h, err := LoadHighest(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Save(step.cluster, step.save); err != nil {
			t.Fatal(err)
		}
		loaded, err := LoadHighest(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got := h.Epoch(step.cluster); got != step.want || loaded.Epoch(step.cluster) != got {
			t.Errorf("%+v: kept %d, on disk %d", step, got, loaded.Epoch(step.cluster))
		}
	}
	h, err := LoadHighest(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := h.Epoch("c"); got != 0 {
		t.Errorf("a strange cluster has epoch %d", got)
	}
	if err := h.Save("", 1); err == nil {
		t.Error("saved for a cluster without id")
	}
}

func TestHighestThatCouldNotBeSavedIsTriedAgain(t *testing.T) {
	dir := t.TempDir()
	h, err := LoadHighest(filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Save("a", 5); err == nil {
		t.Fatal("saved into no directory")
	}
	if err := os.Mkdir(filepath.Join(dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := h.Save("a", 5); err != nil || h.Epoch("a") != 5 {
		t.Errorf("second try: %v, epoch %d", err, h.Epoch("a"))
	}
}

func TestRuntimeRecord(t *testing.T) {
	dir := t.TempDir()
	if _, err := LoadRuntime(dir); !errors.Is(err, ErrNoRecord) {
		t.Errorf("no record: %v", err)
	}
	want := Runtime{Lease: 0x7fffffffffffffff, Epoch: 42, Incarnation: "boot/12/34", Agent: "token"}
	for range 2 { // the second replaces the first
		if err := SaveRuntime(dir, want); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := LoadRuntime(dir); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	for range 2 {
		if err := RemoveRuntime(dir); err != nil {
			t.Error(err)
		}
	}
	if _, err := LoadRuntime(dir); !errors.Is(err, ErrNoRecord) {
		t.Errorf("removed record: %v", err)
	}
}

func TestRuntimeRecordOfAnotherBootIsRefused(t *testing.T) {
	dir := t.TempDir()
	data, err := json.Marshal(runtimeRecord{Version: recordVersion, Boot: "another", Runtime: Runtime{Lease: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, runtimeFile), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := LoadRuntime(dir); !errors.Is(err, ErrOtherBoot) || got != (Runtime{}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestTermEndsOnceAndSaysWhy(t *testing.T) {
	term := NewTerm(t.Context(), 7, "boot/1/2")
	if term.Epoch() != 7 || term.Incarnation() != "boot/1/2" || term.Reason() != "" || term.Context().Err() != nil {
		t.Errorf("new term is %+v", term)
	}
	term.End("mysqld died")
	term.End("too late")
	if term.Reason() != "mysqld died" || !errors.Is(context.Cause(term.Context()), ErrTermEnded) {
		t.Errorf("reason is %q, cause %v", term.Reason(), context.Cause(term.Context()))
	}
}

func TestTermEndsWithItsParent(t *testing.T) {
	parent, cancel := context.WithCancelCause(t.Context())
	term := NewTerm(parent, 7, "boot/1/2")
	cancel(errors.New("agent stops"))
	if term.Context().Err() == nil || term.Reason() != "agent stops" || errors.Is(context.Cause(term.Context()), ErrTermEnded) {
		t.Errorf("reason is %q", term.Reason())
	}
	term.End("late")
	if term.Reason() != "agent stops" {
		t.Errorf("reason became %q", term.Reason())
	}
}
