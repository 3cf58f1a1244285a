package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/chaos/lab"
)

// upLimit ends a holder whose mmmlab up died before it asked for the bed.
const upLimit = 20 * time.Second

// newHold is the holder; only up starts it.
func newHold() *cobra.Command {
	cmd := &cobra.Command{Use: "hold", Hidden: true, Args: cobra.NoArgs}
	read := bedFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o, err := read()
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		return hold(ctx, o)
	}
	return cmd
}

// holder serves the orders for one bed.
type holder struct {
	options lab.Options
	end     context.CancelFunc

	mu  sync.Mutex // guards bed while up makes it
	bed *lab.Bed
}

// hold listens until ctx ends or the bed could not be made.
func hold(ctx context.Context, o lab.Options) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	h := &holder{options: o, end: end}
	listener, err := net.Listen("unix", socketPath(o.Work))
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
	defer time.AfterFunc(upLimit, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.bed == nil {
			end()
		}
	}).Stop()

	var serving sync.WaitGroup
	for {
		conn, err := listener.Accept()
		if err != nil {
			break // closed: ctx has ended
		}
		serving.Go(func() { h.serve(ctx, conn) })
	}
	serving.Wait()
	if h.bed == nil {
		return errors.New("hold bed: there is none")
	}
	return h.bed.Close()
}

// serve reads one order, carries it out and says how it went. The order ends
// early when the client goes away.
func (h *holder) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	// A client that says nothing must not keep the holder from ending.
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in := bufio.NewReader(conn)
	var o order
	line, err := in.ReadBytes('\n')
	if err != nil || json.Unmarshal(line, &o) != nil {
		return // not one of ours
	}
	var gone sync.WaitGroup
	gone.Go(func() {
		_, _ = in.ReadByte() // returns when either side closes
		cancel()
	})
	out := json.NewEncoder(conn)
	// A reply that cannot be written has nobody to read it.
	last, err := h.obey(ctx, o, func(s string) { _ = out.Encode(reply{Progress: s}) })
	last.Done = true
	if err != nil {
		last.Error = err.Error()
	}
	_ = out.Encode(last)
	_ = conn.Close()
	gone.Wait()
	if o.Verb == "up" && err != nil {
		h.end()
	}
}

func (h *holder) obey(ctx context.Context, o order, progress func(string)) (reply, error) {
	h.mu.Lock()
	bed := h.bed
	if o.Verb == "up" {
		defer h.mu.Unlock()
		return reply{}, h.up(ctx, progress)
	}
	h.mu.Unlock()
	if t, ok := tales[o.Verb]; ok {
		return reply{}, h.tell(ctx, t, o, progress)
	}
	if bed == nil {
		return reply{}, errors.New("the bed is not up yet")
	}
	if o.Verb == "status" {
		s, err := bed.Status(ctx)
		return reply{Status: &s}, err
	}
	f, ok := faults[o.Verb]
	if !ok {
		return reply{}, fmt.Errorf("unknown order %q", o.Verb)
	}
	return reply{}, f.do(ctx, bed, o)
}

func (h *holder) up(ctx context.Context, progress func(string)) error {
	if h.bed != nil {
		return errors.New("the bed is up already")
	}
	h.options.Progress = progress
	bed, err := lab.New(ctx, h.options)
	if err != nil {
		return err
	}
	h.bed = bed
	return nil
}
