package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/mmm-ha/mmm/topology"
	"golang.org/x/sys/unix"
)

// Wait blocks until that run is dead (nil) or the context ends (its error). It
// asks the kernel for one wake-up and does not poll. A run that is already
// gone, or whose pid now belongs to another process, is dead.
func Wait(ctx context.Context, inc topology.Incarnation) error {
	h, err := open(inc)
	if errors.Is(err, ErrGone) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(h.wait(ctx), h.close())
}

// Watch reports the death of that run: the channel delivers one value when it is
// dead, and is then closed. When the context ends first, the channel is closed
// without a value. So `_, dead := <-ch` tells which. The run is pinned before
// Watch returns: a death between the call and the first receive is not missed.
func Watch(ctx context.Context, inc topology.Incarnation) (<-chan struct{}, error) {
	died := make(chan struct{}, 1)
	h, err := open(inc)
	if errors.Is(err, ErrGone) {
		died <- struct{}{}
		close(died)
		return died, nil
	}
	if err != nil {
		return nil, err
	}
	go func() {
		defer close(died)
		if errors.Join(h.wait(ctx), h.close()) == nil {
			died <- struct{}{}
		}
	}()
	return died, nil
}

// Kill ends that run with SIGKILL and waits until it is dead: nil means that it
// executes nothing any more. It works on a stopped (SIGSTOP) process too. A pid
// that belongs to another run meanwhile is left alone, and that is nil: the run
// asked for is dead. The context bounds the wait only; the signal is sent
// regardless, for a fence must not be lost to a late deadline.
//
// A run whose threads all hang in the kernel, as before a stalled disk, does not
// end before they come back from there, but none of them will execute an
// instruction of its own again: it counts as dead. Its sockets stay open.
func Kill(ctx context.Context, inc topology.Incarnation) error {
	h, err := open(inc)
	if errors.Is(err, ErrGone) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := unix.PidfdSendSignal(h.fd, unix.SIGKILL, nil, 0); err != nil && !isNoProcess(err) {
		return errors.Join(fmt.Errorf("kill %s: %w", inc, err), h.close())
	}
	return errors.Join(h.waitKilled(ctx), h.close())
}

// handle pins one run: its pid cannot come to mean another one.
type handle struct {
	file *os.File
	fd   int
	inc  topology.Incarnation
}

// open pins the run first and looks at who it is SECOND; in the other order the
// pid could be reused between the two.
func open(inc topology.Incarnation) (*handle, error) {
	pid, err := PID(inc)
	if err != nil {
		return nil, err
	}
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if isNoProcess(err) {
		return nil, fmt.Errorf("pin %s: %w", inc, ErrGone)
	}
	if err != nil {
		return nil, fmt.Errorf("pin %s: %w", inc, err)
	}
	h := &handle{file: os.NewFile(uintptr(fd), "pidfd"), fd: fd, inc: inc}
	now, err := Of(pid)
	if err == nil && now != inc {
		err = fmt.Errorf("pid %d is another process now: %w", pid, ErrGone)
	}
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

func (h *handle) close() error { return h.file.Close() }

// wait parks in the runtime's poller, so a watched process costs no thread. A
// pidfd becomes readable when the process has ended.
func (h *handle) wait(ctx context.Context) error {
	raw, err := h.file.SyscallConn()
	if err != nil {
		return fmt.Errorf("wait for the end of %s: %w", h.inc, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = h.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	dead := false
	err = raw.Read(func(fd uintptr) bool {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		dead = err == nil && n > 0
		return dead
	})
	switch {
	case dead:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("wait for the end of %s: %w", h.inc, ctx.Err())
	default:
		return fmt.Errorf("wait for the end of %s: %w", h.inc, err)
	}
}
