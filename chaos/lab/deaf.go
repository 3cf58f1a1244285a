package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Requests of ptrace(2) that package syscall does not name.
const (
	ptraceSeize     = 0x4206
	ptraceInterrupt = 0x4207
	waitAll         = 0x40000000 // __WALL: a traced process is no child as others are
)

// Deafen stops the one thread of a host's mysqld that takes new connections, and
// no other: open sessions answer. The returned function, which must be called,
// lets it go on; it may be called again. A mysqld that is killed meanwhile ends.
func (b *Bed) Deafen(ctx context.Context, host string) (heal func() error, err error) {
	m, err := b.machine(host)
	if err != nil {
		return nil, err
	}
	pid, err := m.worldPIDOf(ctx, UnitMySQL)
	if err != nil {
		return nil, fmt.Errorf("deafen mysqld of %s: %w", host, err)
	}
	stopped, release, gone := make(chan error, 1), make(chan struct{}), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // who traces is a thread
		defer runtime.UnlockOSThread()
		gone <- stopThread(pid, stopped, release)
	}()
	if err := <-stopped; err != nil {
		return nil, fmt.Errorf("deafen mysqld of %s: %w", host, err)
	}
	return sync.OnceValue(func() error { close(release); return <-gone }), nil
}

// stopThread holds one thread until released.
func stopThread(tid int, stopped chan<- error, release <-chan struct{}) error {
	for _, request := range []uintptr{ptraceSeize, ptraceInterrupt} {
		if _, _, errno := syscall.RawSyscall6(syscall.SYS_PTRACE, request, uintptr(tid), 0, 0, 0, 0); errno != 0 {
			stopped <- os.NewSyscallError("ptrace", errno)
			return nil
		}
	}
	var status syscall.WaitStatus
	_, err := syscall.Wait4(tid, &status, waitAll, nil)
	stopped <- err
	for over := false; !over; {
		select {
		case <-release:
			over = true
		case <-time.After(pollEvery):
			// One that was killed is reaped here first, else its parent never hears of it.
			if got, err := syscall.Wait4(tid, &status, waitAll|syscall.WNOHANG, nil); got == tid && err == nil && !status.Stopped() {
				return nil
			}
		}
	}
	if err := syscall.PtraceDetach(tid); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("let thread %d go on: %w", tid, err)
	}
	return nil
}
