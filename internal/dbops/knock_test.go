package dbops_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/internal/dbops/dbopstest"
)

// knock knocks with the patience of the agent.
func (h host) knock(t *testing.T) error { return h.ops.Knock(within(t, 500*time.Millisecond)) }

// deafen stops the one thread of the server that takes new connections, and no
// other, until the returned function runs.
func deafen(t *testing.T, pid int) (heal func()) {
	t.Helper()
	const seize, interrupt = 0x4206, 0x4207
	stopped, release, done := make(chan error), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // who traces is a thread
		defer runtime.UnlockOSThread()
		for _, request := range []uintptr{seize, interrupt} {
			if _, _, errno := syscall.RawSyscall6(syscall.SYS_PTRACE, request, uintptr(pid), 0, 0, 0, 0); errno != 0 {
				stopped <- os.NewSyscallError("ptrace", errno)
				return
			}
		}
		var status syscall.WaitStatus
		_, err := syscall.Wait4(pid, &status, 0x40000000, nil) // __WALL: it is no child as others are
		stopped <- err
		<-release
		if err := syscall.PtraceDetach(pid); err != nil {
			t.Errorf("let it go on: %v", err)
		}
	}()
	must(t, <-stopped)
	return func() { close(release); <-done }
}

func TestKnockFindsAServerThatTakesNobodyNewWhileOpenSessionsAnswer(t *testing.T) {
	h := start(t)
	must(t, h.knock(t))
	h.observe(t)
	heal := deafen(t, h.PID())
	for range 2 {
		if err := h.knock(t); !errors.Is(err, dbops.ErrTimeout) {
			t.Errorf("Knock: %v, want ErrTimeout", err)
		}
		if p, err := h.ops.Observe(within(t, 500*time.Millisecond)); err != nil || !p.Up {
			t.Errorf("the open session: %+v, %v", p, err)
		}
	}
	heal()
	must(t, h.ops.Knock(patiently(t)))
}

func TestKnockAtAFullServerIsErrTooMany(t *testing.T) {
	h := dbopstest.Start(t, "max-connections=10")
	ops, err := dbops.Open(h.Options())
	must(t, err)
	defer ops.Close()
	for range 40 {
		conn, err := h.Root().Conn(t.Context())
		if err != nil {
			break
		}
		defer func() { _ = conn.Close() }()
	}
	if err := ops.Knock(patiently(t)); !errors.Is(err, dbops.ErrTooMany) {
		t.Errorf("Knock: %v, want ErrTooMany", err)
	}
}

// A socket whose file somebody removed says nothing about other clients; a dead
// server takes nobody.
func TestKnockTellsABarredWayFromADeadServer(t *testing.T) {
	h := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.ops.Knock(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, dbops.ErrTimeout) {
		t.Errorf("cancelled: %v", err)
	}
	h.Kill()
	if err := h.knock(t); !errors.Is(err, dbops.ErrUnreachable) {
		t.Errorf("dead: %v, want ErrUnreachable", err)
	}
	must(t, os.Remove(h.Socket))
	if err := h.knock(t); err == nil || errors.Is(err, dbops.ErrUnreachable) || errors.Is(err, dbops.ErrTimeout) {
		t.Errorf("no socket: %v", err)
	}
}
