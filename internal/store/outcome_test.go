package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/internal/store/storetest"
	"github.com/mmm-ha/mmm/topology"
)

// lossyBed has two ways to one etcd, as if it had two members.
func lossyBed(t *testing.T) (*bed, *storetest.Proxy, *storetest.Proxy) {
	t.Helper()
	e := storetest.Start(t)
	first, other := storetest.NewProxy(t, e.Endpoint), storetest.NewProxy(t, e.Endpoint)
	b := bedOf(t, e, "test", first.Endpoint, other.Endpoint)
	b.load() // connects
	return b, first, other
}

func TestLostAnswerOfASuccessfulWriteIsASuccess(t *testing.T) {
	tests := []struct {
		name  string
		write func(*bed) (func() (topology.Rev, error), func() topology.Rev)
	}{
		{"Campaign", func(b *bed) (func() (topology.Rev, error), func() topology.Rev) {
			req := campaign(b.lease(), "db1", b.load())
			return func() (topology.Rev, error) { return b.Campaign(b.ctx(), req) },
				func() topology.Rev { return b.load().Epoch() }
		}},
		{"HandOver", func(b *bed) (func() (topology.Rev, error), func() topology.Rev) {
			_, epoch := b.reign("db1")
			order, lease := b.order(epoch, topology.TargetReady), b.lease()
			return func() (topology.Rev, error) {
					return b.HandOver(b.ctx(), epoch, order, topology.Writer{Name: "db2"}, lease)
				},
				func() topology.Rev { return b.load().Epoch() }
		}},
		{"PutReign", func(b *bed) (func() (topology.Rev, error), func() topology.Rev) {
			_, epoch := b.reign("db1")
			return func() (topology.Rev, error) { return b.PutReign(b.ctx(), epoch, 0, topology.Reign{W: 1}) },
				func() topology.Rev { return b.load().Reign.Rev }
		}},
		{"PutReport", func(b *bed) (func() (topology.Rev, error), func() topology.Rev) {
			lease := b.lease()
			return func() (topology.Rev, error) {
					return b.PutReport(b.ctx(), lease, "a", topology.Report{Name: "db1"})
				},
				func() topology.Rev { return b.load().Hosts["a"].Rev }
		}},
		{"ClaimVIP", func(b *bed) (func() (topology.Rev, error), func() topology.Rev) {
			lease := b.lease()
			return func() (topology.Rev, error) {
					return b.ClaimVIP(b.ctx(), lease, vip(9), topology.Claim{Name: "db1"})
				},
				func() topology.Rev { return b.load().Claims[vip(9)].Rev }
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, first, _ := lossyBed(t)
			write, stored := tt.write(b)
			before := stored()
			first.Freeze(storetest.ToClient)
			rev, err := write()
			if err != nil {
				t.Fatal(err)
			}
			if got := stored(); got != rev || got == before {
				t.Errorf("returned %d, etcd has %d, before %d", rev, got, before)
			}
		})
	}
}

func TestLostAnswerOfADropIsASuccess(t *testing.T) {
	b, first, _ := lossyBed(t)
	_, epoch := b.reign("db1")
	first.Freeze(storetest.ToClient)
	if _, err := b.DropWriter(b.ctx(), epoch); err != nil {
		t.Fatal(err)
	}
	if b.load().Writer.Present() {
		t.Error("the writer is still there")
	}
}

func TestLateCopyOfAWriteHasNoEffect(t *testing.T) {
	b, first, _ := lossyBed(t)
	lease, epoch := b.reign("db1")
	first.Freeze(storetest.ToServer) // a member that hangs with the request in hand
	b.must(b.PutPhase(b.ctx(), lease, epoch, topology.Phase{Step: topology.Opening}))
	ready := b.must(b.PutPhase(b.ctx(), lease, epoch, topology.Phase{Step: topology.Ready}))
	first.Thaw()
	late := bedOf(t, b.etcd, "test", first.Endpoint)
	until(t, "the thawed way works again", func() bool {
		_, err := late.Load(late.ctx())
		return err == nil
	})
	if p := b.load().Phase; p.Rev != ready || p.Value.Step != topology.Ready {
		t.Errorf("the late copy of opening was taken: %+v", p)
	}
}

func TestUnansweredWriteIsUnknownNotRefused(t *testing.T) {
	b, first, other := lossyBed(t)
	_, epoch := b.reign("db1")
	first.Freeze(storetest.ToClient)
	other.Freeze(storetest.ToClient)
	ctx, cancel := context.WithTimeout(b.ctx(), time.Second)
	defer cancel()
	_, err := b.PutReign(ctx, epoch, 0, topology.Reign{W: 1})
	if !errors.Is(err, ErrUnknownOutcome) || errors.Is(err, ErrGuard) || errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v, want ErrUnknownOutcome alone", err)
	}
	first.Thaw()
	if !b.load().Reign.Present() {
		t.Error("it had happened, and is not seen")
	}
}

func TestUnknownWriteThatWasWrittenOverStaysUnknown(t *testing.T) {
	b, first, other := lossyBed(t)
	first.Freeze(storetest.ToClient)
	other.Freeze(storetest.ToServer)
	done := make(chan error, 1)
	go func() {
		_, err := b.SetMode(b.ctx(), 0, topology.ModeSetting{Mode: topology.Manual})
		done <- err
	}()
	stranger := bedOf(t, b.etcd, "test", b.etcd.Endpoint)
	until(t, "the first copy has been taken", func() bool { return stranger.load().Mode.Present() })
	stranger.must(stranger.SetMode(b.ctx(), stranger.load().Mode.Rev, topology.ModeSetting{Mode: topology.Passive}))
	other.Thaw()
	if err := <-done; !errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("got %v, want ErrUnknownOutcome", err)
	}
	if got := stranger.load().Mode.Value.Mode; got != topology.Passive {
		t.Errorf("mode %s: a later copy undid the stranger's write", got)
	}
}

func TestWriteThatWasNeverSentIsUnreachable(t *testing.T) {
	b, first, other := lossyBed(t)
	first.Close()
	other.Close()
	ctx, cancel := context.WithTimeout(b.ctx(), time.Second)
	defer cancel()
	until(t, "both connections are known to be broken", func() bool {
		_, err := b.Load(ctx)
		return err != nil
	})
	ctx, cancel = context.WithTimeout(b.ctx(), time.Second)
	defer cancel()
	_, err := b.SetMode(ctx, 0, topology.ModeSetting{Mode: topology.Manual})
	if !errors.Is(err, ErrUnreachable) || errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("got %v, want ErrUnreachable", err)
	}
	t.Log(err)
}

func TestReadGoesAroundAHungMember(t *testing.T) {
	b, first, _ := lossyBed(t)
	first.Freeze()
	b.load()
	if got := b.Client.order()[0].endpoint; got == first.Endpoint {
		t.Error("the hung member is still asked first")
	}
	first.Thaw()
	until(t, "the nearest member is asked first again", func() bool {
		b.load()
		return b.Client.order()[0].endpoint == first.Endpoint
	})
}

func TestOpenSucceedsWithoutEtcd(t *testing.T) {
	c, err := Open(t.Context(), Options{Endpoints: []string{"127.0.0.1:1"}, Cluster: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := c.Load(ctx); !errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v, want ErrUnreachable", err)
	} else {
		t.Log(err)
	}
}
