package process

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// limit bounds what must happen at once but runs on a loaded machine.
const limit = 10 * time.Second

// sleeper starts a process that does nothing and is reaped at the end.
func sleeper(t *testing.T) (topology.Incarnation, *exec.Cmd) {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	inc, err := Of(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return inc, cmd
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

func TestIncarnationIsStableAndUnique(t *testing.T) {
	a, cmd := sleeper(t)
	again, err := Of(cmd.Process.Pid)
	if err != nil || a != again {
		t.Fatalf("second reading %q, %v; want %q", again, err, a)
	}
	if b, _ := sleeper(t); a == b {
		t.Fatalf("two processes share the incarnation %q", a)
	}
	if pid, err := PID(a); err != nil || pid != cmd.Process.Pid {
		t.Fatalf("PID(%q) = %d, %v; want %d", a, pid, err, cmd.Process.Pid)
	}
}

func TestEarlierBootIsGone(t *testing.T) {
	if _, err := PID("00000000-0000-0000-0000-000000000000/1234/5"); !errors.Is(err, ErrGone) {
		t.Fatalf("err = %v, want ErrGone", err)
	}
	if err := Kill(bounded(t), "00000000-0000-0000-0000-000000000000/1234/5"); err != nil {
		t.Fatalf("kill of a run of an earlier boot: %v", err)
	}
}

func TestBadIncarnationIsAnErrorAndNotADeath(t *testing.T) {
	for _, inc := range []topology.Incarnation{"", "x", "a/b/c", "a/1", "a/-1/3"} {
		if err := Kill(bounded(t), inc); err == nil {
			t.Errorf("Kill(%q) = nil; nothing may pass for dead unseen", inc)
		}
	}
}

func TestStatNameMayHoldBrackets(t *testing.T) {
	raw := "42 (my) sqld (x) S 1 42 42 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 987654 1 2 3"
	state, start, err := parseStat([]byte(raw))
	if err != nil || state != 'S' || start != 987654 {
		t.Fatalf("parseStat = %c, %d, %v", state, start, err)
	}
	for _, bad := range []string{"", "42 (x) S", "no brackets"} {
		if _, _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("parseStat(%q) = nil error", bad)
		}
	}
}

func TestWatchSeesDeath(t *testing.T) {
	inc, cmd := sleeper(t)
	died, err := Watch(bounded(t), inc)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-died:
		t.Fatal("reported dead while it runs")
	default:
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// Nobody has reaped it: an unreaped process is dead all the same.
	if _, dead := <-died; !dead {
		t.Fatal("the channel was closed without a value")
	}
	if _, err := Of(cmd.Process.Pid); !errors.Is(err, ErrGone) {
		t.Fatalf("Of an unreaped process: %v, want ErrGone", err)
	}
	died, err = Watch(bounded(t), inc)
	if err != nil {
		t.Fatal(err)
	}
	if _, dead := <-died; !dead {
		t.Fatal("a run that is gone already is not reported dead")
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	inc, _ := sleeper(t)
	ctx, cancel := context.WithCancel(t.Context())
	died, err := Watch(ctx, inc)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, dead := <-died; dead {
		t.Fatal("a cancelled watch reported a death")
	}
	if err := Wait(ctx, inc); !errors.Is(err, context.Canceled) {
		t.Fatalf("Wait = %v, want context.Canceled", err)
	}
}

func TestKillEndsAStoppedProcess(t *testing.T) {
	inc, cmd := sleeper(t)
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := Kill(bounded(t), inc); err != nil {
		t.Fatal(err)
	}
	if err := Kill(bounded(t), inc); err != nil {
		t.Fatalf("second kill: %v", err)
	}
}

func TestKillSparesAnotherRunUnderTheSamePID(t *testing.T) {
	inc, cmd := sleeper(t)
	earlier := topology.Incarnation(strings.Join(append(strings.Split(string(inc), "/")[:2], "1"), "/"))
	if err := Kill(bounded(t), earlier); err != nil {
		t.Fatal(err)
	}
	if now, err := Of(cmd.Process.Pid); err != nil || now != inc {
		t.Fatalf("after the kill of an earlier run: %q, %v; want %q alive", now, err, inc)
	}
}

func TestPeerOfASocketIsItsListener(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	// Nobody accepts: a hung server must be named too.
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	self, err := Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	inc, pid, err := FromSocket(conn)
	if err != nil || pid != os.Getpid() || inc != self {
		t.Fatalf("FromSocket = %q, %d, %v; want %q, %d", inc, pid, err, self, os.Getpid())
	}
}
