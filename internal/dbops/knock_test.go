package dbops_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/internal/dbops/dbopstest"
)

// knock knocks with the patience of the agent.
func (h host) knock(t *testing.T) error { return h.ops.Knock(within(t, time.Second)) }

func TestKnockFindsAServerThatTakesNobodyNewWhileOpenSessionsAnswer(t *testing.T) {
	h := start(t)
	must(t, h.knock(t))
	opt := h.Options()
	opt.Socket = reception(t, h.Socket, 2)
	ops, err := dbops.Open(opt)
	must(t, err)
	defer ops.Close()
	if _, err := ops.Observe(patiently(t)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := ops.Knock(within(t, time.Second)); !errors.Is(err, dbops.ErrTimeout) {
			t.Errorf("Knock: %v, want ErrTimeout", err)
		}
		if p, err := ops.Observe(within(t, 500*time.Millisecond)); err != nil || !p.Up {
			t.Errorf("the open session: %+v, %v", p, err)
		}
	}
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

// reception is a way to the server which lets the first visitors through and
// leaves all later ones waiting at the door.
func reception(t *testing.T, to string, first int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "reception")
	l, err := net.Listen("unix", path)
	must(t, err)
	var all sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	for range first {
		all.Go(func() {
			in, err := l.Accept()
			if err != nil {
				return
			}
			defer func() { _ = in.Close() }()
			out, err := net.Dial("unix", to)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = out.Close() }()
			all.Go(func() { _, _ = io.Copy(in, out) })
			_, _ = io.Copy(out, in)
		})
	}
	return path
}

// Under a flood the server takes others first. Those whom it greeted count even
// when they say nothing; those who only wait do not.
func TestKnockAtAServerThatTakesOthersIsErrCrowded(t *testing.T) {
	h := start(t)
	opt := h.Options()
	opt.Socket = reception(t, h.Socket, 1)
	ops, err := dbops.Open(opt)
	must(t, err)
	defer ops.Close()
	if err := ops.Knock(patiently(t)); !errors.Is(err, dbops.ErrTimeout) {
		t.Errorf("nobody else comes: %v, want ErrTimeout", err)
	}
	came := make(chan struct{})
	go func() {
		defer close(came)
		for range 20 {
			if c, err := net.Dial("unix", h.Socket); err == nil {
				defer func() { _ = c.Close() }()
				_, _ = c.Read(make([]byte, 100))
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	if err := ops.Knock(patiently(t)); !errors.Is(err, dbops.ErrCrowded) {
		t.Errorf("others are greeted meanwhile: %v, want ErrCrowded", err)
	}
	<-came
}
