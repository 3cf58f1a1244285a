package router

import (
	"bufio"
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// knocking connects without a pause from several goroutines, each time waiting for
// the greeting, until it is stopped. It counts those that did not get one.
type knocking struct {
	done            sync.WaitGroup
	stop            context.CancelFunc
	greeted, failed atomic.Int64
	first           atomic.Value // the first error
}

func knock(t *testing.T, address string) *knocking {
	ctx, stop := context.WithCancel(t.Context())
	k := &knocking{stop: stop}
	t.Cleanup(k.end)
	for range 8 {
		k.done.Go(func() {
			for ctx.Err() == nil {
				if err := greeting(address); err != nil {
					k.failed.Add(1)
					k.first.CompareAndSwap(nil, err)
					continue
				}
				k.greeted.Add(1)
			}
		})
	}
	return k
}

func (k *knocking) end() {
	k.stop()
	k.done.Wait()
}

func greeting(address string) error {
	c, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	_, err = bufio.NewReader(c).ReadString('\n')
	return err
}

func TestNoClientIsRefusedWhileOneRouterFollowsAnother(t *testing.T) {
	old := run(t, nil)
	at := func(c *Config) { c.Listeners[0].Address = old.address }
	k := knock(t, old.address)
	for range 5 {
		next := run(t, at)
		if err := old.wait(); err != nil {
			t.Fatal(err)
		}
		before := k.greeted.Load()
		eventually(t, "the next one greets", func() bool { return k.greeted.Load() > before+100 })
		old = next
	}
	k.end()
	t.Logf("%d clients were greeted, %d were not", k.greeted.Load(), k.failed.Load())
	if k.failed.Load() > 0 {
		t.Errorf("%d clients were refused; the first: %v", k.failed.Load(), k.first.Load())
	}
}

func TestARouterThatFollowsNoneIsReachedAlthoughItsForerunnerGaveWay(t *testing.T) {
	old := run(t, nil)
	at := func(c *Config) { c.Listeners[0].Address = old.address }
	if err := old.wait(); err != nil {
		t.Fatal(err)
	}
	next := run(t, at)
	both := run(t, at)
	for range 50 {
		if err := greeting(old.address); err != nil {
			t.Fatal(err)
		}
	}
	if len(next.talks.all()) == 0 || len(both.talks.all()) == 0 {
		t.Errorf("%d and %d clients: they are not spread", len(next.talks.all()), len(both.talks.all()))
	}
}

func TestARouterThatKnowsNothingYetTakesNoClientFromAnother(t *testing.T) {
	var known atomic.Bool
	begun := make(chan struct{})
	r, err := New(Options{
		Config: small(nil), Log: slog.New(slog.DiscardHandler), Conversation: &standIn{},
		Cluster: func() Cluster { return Cluster{Writer: "db1", Fresh: known.Load()} },
		Beside:  func(ctx context.Context) error { close(begun); <-ctx.Done(); return ctx.Err() },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx, func() {}) }()
	<-begun
	if r.listening() {
		t.Error("it listens and knows no writer")
	}
	known.Store(true)
	eventually(t, "it listens", r.listening)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestARouterThatHasNotLookedForAccountsYetTakesNoClient(t *testing.T) {
	var looked atomic.Bool
	r, err := New(Options{
		Config: small(nil), Log: slog.New(slog.DiscardHandler), Conversation: &standIn{},
		Cluster:  func() Cluster { return Cluster{Writer: "db1", Fresh: true} },
		Accounts: func() Accounts { return Accounts{Looked: looked.Load()} },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx, func() {}) }()
	pause(ctx, 5*lookEvery)
	if r.listening() {
		t.Error("it listens, and would let its first clients read from the writer only")
	}
	looked.Store(true)
	eventually(t, "it listens", r.listening)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestARouterThatIsToldToEndBeforeItBeganEnds(t *testing.T) {
	r, err := New(Options{Config: small(nil), Log: slog.New(slog.DiscardHandler), Conversation: &standIn{}, Cluster: func() Cluster { return Cluster{} }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := r.Run(ctx, func() { t.Error("ready") }); err != nil {
		t.Error(err)
	}
}
