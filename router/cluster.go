package router

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Cluster is what a router knows of its cluster at one moment.
type Cluster struct {
	Epoch    int64          `json:"epoch"`
	Writer   string         `json:"writer"` // host; empty: there is none
	Address  netip.AddrPort `json:"writerAddress"`
	Fresh    bool           `json:"fresh"`            // a write may begin
	FreshFor time.Duration  `json:"freshNanoseconds"` // and until when
	Held     bool           `json:"held"`             // a switchover was asked for: statements wait
	Problem  string         `json:"problem,omitempty"`
	Readers  []ReaderState  `json:"readers"`
	// Failures are connections to a host that could not be made, or broke.
	Failures map[string]uint64 `json:"failures,omitempty"`

	HeldStatements int   `json:"heldStatements"`
	HeldBytes      int64 `json:"heldBytes"`
}

// ReaderState is one host that is, or could be, read from.
type ReaderState struct {
	Host     string         `json:"host"`
	Address  netip.AddrPort `json:"address"`
	Eligible bool           `json:"eligible"`
	Why      string         `json:"why,omitempty"` // it is not
	Lag      time.Duration  `json:"lagNanoseconds"`
	Latency  time.Duration  `json:"latencyNanoseconds"`
	InFlight int            `json:"inFlight"`
	Aside    time.Duration  `json:"asideNanoseconds,omitempty"` // it failed, and is left alone for so long
}

// ready says why a router that knows this cannot serve; nil means it can.
func (c Cluster) ready() error {
	readers := 0
	for _, r := range c.Readers {
		if r.Eligible {
			readers++
		}
	}
	switch {
	case c.Fresh && c.Writer != "", readers > 0:
		return nil
	case c.Problem != "":
		return errors.New(c.Problem)
	case c.Writer == "":
		return errors.New("there is no writer, and no reader either")
	default:
		return fmt.Errorf("what is known of the cluster is too old to write to %s, and there is no reader", c.Writer)
	}
}

// Ready says why clients should not be sent to this router; nil means that they
// should.
func (r *Router) Ready() error {
	switch {
	case r.leaving.Load():
		return errors.New("this router ends")
	case !r.listening():
		return errors.New("this router does not listen yet")
	case r.opt.Cluster == nil:
		return nil
	default:
		return r.opt.Cluster().ready()
	}
}

func (r *Router) listening() bool {
	select {
	case <-r.bound:
		return true
	default:
		return false
	}
}

// aliveLimit is how long the sweeper may take for a turn before the process counts
// as stuck.
const aliveLimit = 10 * sweepEvery

// Alive says why the process should be ended from outside; nil means that it works.
func (r *Router) Alive() error {
	last := r.began
	if turned := r.sweeper.turned.Load(); turned > 0 {
		last = time.Unix(0, turned)
	}
	if since := time.Since(last); since > aliveLimit {
		return fmt.Errorf("its loop has not turned for %s", since.Round(time.Second))
	}
	return nil
}
