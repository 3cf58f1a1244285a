package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/mmm-ha/mmm/internal/store/storetest"
	"github.com/mmm-ha/mmm/topology"
)

// TestWriteIsRefusedWhenItsGuardIsBroken sets a cluster up, breaks ONE guard of
// one function, and looks that the call says ErrGuard and names the key.
// R16, R20: every write of a reign names the epoch and what it rests on.
func TestWriteIsRefusedWhenItsGuardIsBroken(t *testing.T) {
	e := storetest.Start(t)
	for i, tt := range slices.Concat(brokenWrites, brokenReigns, brokenOrders) {
		t.Run(tt.name, func(t *testing.T) {
			b := bedOf(t, e, fmt.Sprintf("c%d", i), e.Endpoint)
			err := tt.broken(b)
			if !errors.Is(err, ErrGuard) {
				t.Fatalf("got %v, want ErrGuard", err)
			}
			if !strings.Contains(err.Error(), tt.names) {
				t.Errorf("%q does not name %q", err, tt.names)
			}
		})
	}
}

type brokenGuard struct {
	name   string
	names  string // part of the error: the key that was in the way
	broken func(*bed) error
}

// The writes of agents and operators outside a reign.
var brokenWrites = []brokenGuard{
	{"PutReport/other lease", "hosts/a", func(b *bed) error {
		b.must(b.PutReport(b.ctx(), b.lease(), "a", topology.Report{Name: "old"}))
		return second(b.PutReport(b.ctx(), b.lease(), "a", topology.Report{Name: "new"}))
	}},
	{"PutBid/writer reigns", "writer exists", func(b *bed) error {
		lease, _ := b.reign("db1")
		return second(b.PutBid(b.ctx(), lease, "a", topology.Bid{}, Guards{}))
	}},
	{"PutBid/other lease", "bids/a", func(b *bed) error {
		b.must(b.PutBid(b.ctx(), b.lease(), "a", topology.Bid{Name: "old"}, Guards{}))
		return second(b.PutBid(b.ctx(), b.lease(), "a", topology.Bid{Name: "new"}, Guards{}))
	}},
	{"PutBid/guard of the caller", "mode exists", func(b *bed) error {
		b.must(b.SetMode(b.ctx(), 0, topology.ModeSetting{Mode: topology.Manual}))
		return second(b.PutBid(b.ctx(), b.lease(), "a", topology.Bid{}, Guards{}.Mode(0)))
	}},
	{"DeleteBid/newer bid", "bids/a", func(b *bed) error {
		lease := b.lease()
		old := b.must(b.PutBid(b.ctx(), lease, "a", topology.Bid{Name: "old"}, Guards{}))
		b.must(b.PutBid(b.ctx(), lease, "a", topology.Bid{Name: "new"}, Guards{}))
		_, err := b.DeleteBid(b.ctx(), "a", old)
		return err
	}},
	{"PutMemory/changed", "memory/db1", func(b *bed) error {
		old := b.must(b.PutMemory(b.ctx(), "db1", 0, topology.Memory{Why: "one"}))
		b.must(b.PutMemory(b.ctx(), "db1", old, topology.Memory{Why: "two"}))
		return second(b.PutMemory(b.ctx(), "db1", old, topology.Memory{Why: "three"}))
	}},
	{"ClaimVIP/claimed", "readers/192.0.2.9", func(b *bed) error {
		b.must(b.ClaimVIP(b.ctx(), b.lease(), vip(9), topology.Claim{Name: "db1"}))
		return second(b.ClaimVIP(b.ctx(), b.lease(), vip(9), topology.Claim{Name: "db2"}))
	}},
	{"ReleaseVIP/somebody else's", "readers/192.0.2.9", func(b *bed) error {
		rev := b.must(b.ClaimVIP(b.ctx(), b.lease(), vip(9), topology.Claim{Name: "db1"}))
		_, err := b.ReleaseVIP(b.ctx(), vip(9), rev-1)
		return err
	}},
	{"Beside.PutReport/other lease", "routers/a", func(b *bed) error {
		b.must(b.beside().PutReport(b.ctx(), b.lease(), "a", topology.Report{Name: "old"}))
		return second(b.beside().PutReport(b.ctx(), b.lease(), "a", topology.Report{Name: "new"}))
	}},
	{"Beside.ClaimVIP/claimed", "router-vips/192.0.2.9", func(b *bed) error {
		b.must(b.beside().ClaimVIP(b.ctx(), b.lease(), vip(9), topology.Claim{Name: "router1"}))
		return second(b.beside().ClaimVIP(b.ctx(), b.lease(), vip(9), topology.Claim{Name: "router2"}))
	}},
	{"Beside.ReleaseVIP/somebody else's", "router-vips/192.0.2.9", func(b *bed) error {
		rev := b.must(b.beside().ClaimVIP(b.ctx(), b.lease(), vip(9), topology.Claim{Name: "router1"}))
		_, err := b.beside().ReleaseVIP(b.ctx(), vip(9), rev-1)
		return err
	}},
	{"PutSpec/changed", "spec", func(b *bed) error {
		b.must(b.PutSpec(b.ctx(), 0, topology.Spec{Cluster: "one"}))
		return second(b.PutSpec(b.ctx(), 0, topology.Spec{Cluster: "two"}))
	}},
	{"SetMode/changed", "mode", func(b *bed) error {
		old := b.must(b.SetMode(b.ctx(), 0, topology.ModeSetting{Mode: topology.Manual}))
		b.must(b.SetMode(b.ctx(), old, topology.ModeSetting{Mode: topology.Passive}))
		return second(b.SetMode(b.ctx(), old, topology.ModeSetting{Mode: topology.Active}))
	}},
	{"SetIntent/gone", "intent/db1 is gone", func(b *bed) error {
		return second(b.SetIntent(b.ctx(), "db1", 7, topology.Intent{Want: topology.WantOffline}))
	}},
	{"Pin/pinned", "pins/192.0.2.9", func(b *bed) error {
		b.must(b.Pin(b.ctx(), vip(9), 0, topology.Pin{Host: "db1"}))
		return second(b.Pin(b.ctx(), vip(9), 0, topology.Pin{Host: "db2"}))
	}},
	{"Unpin/changed", "pins/192.0.2.9", func(b *bed) error {
		old := b.must(b.Pin(b.ctx(), vip(9), 0, topology.Pin{Host: "db1"}))
		b.must(b.Pin(b.ctx(), vip(9), old, topology.Pin{Host: "db2"}))
		return b.Unpin(b.ctx(), vip(9), old)
	}},
	{"Unpin/no revision", "pins/192.0.2.9", func(b *bed) error {
		b.must(b.Pin(b.ctx(), vip(9), 0, topology.Pin{Host: "db1"}))
		return b.Unpin(b.ctx(), vip(9), 0)
	}},
}

// The writes of a reign.
var brokenReigns = []brokenGuard{
	{"Campaign/writer reigns", "writer exists", func(b *bed) error {
		b.reign("db1")
		return second(b.Campaign(b.ctx(), campaign(b.lease(), "db2", b.load())))
	}},
	{"Campaign/reign changed", "reign", stale(func(b *bed) {
		_, epoch := b.reign("db9")
		b.must(b.PutReign(b.ctx(), epoch, 0, topology.Reign{W: 1}))
		if _, err := b.DropWriter(b.ctx(), epoch); err != nil {
			b.t.Fatal(err)
		}
	})},
	{"Campaign/spec changed", "spec", stale(func(b *bed) { b.must(b.PutSpec(b.ctx(), 0, topology.Spec{})) })},
	{"Campaign/mode changed", "mode", stale(func(b *bed) { b.must(b.SetMode(b.ctx(), 0, topology.ModeSetting{})) })},
	{"Campaign/intent changed", "intent/db2", stale(func(b *bed) { b.must(b.SetIntent(b.ctx(), "db2", 0, topology.Intent{})) })},
	{"Campaign/counted bid gone", "bids/a is gone", func(b *bed) error {
		rev := b.must(b.PutBid(b.ctx(), b.lease(), "a", topology.Bid{}, Guards{}))
		return stale(func(b *bed) {
			if _, err := b.DeleteBid(b.ctx(), "a", rev); err != nil {
				b.t.Fatal(err)
			}
		})(b)
	}},
	{"Campaign/counted bid changed", "bids/a is at revision", func(b *bed) error {
		lease := b.lease()
		b.must(b.PutBid(b.ctx(), lease, "a", topology.Bid{Name: "one"}, Guards{}))
		return stale(func(b *bed) { b.must(b.PutBid(b.ctx(), lease, "a", topology.Bid{Name: "two"}, Guards{})) })(b)
	}},
	{"Campaign/order changed", "switchover", func(b *bed) error {
		req := campaign(b.lease(), "db2", b.load())
		req.Guards = req.Guards.Switchover(0)
		b.must(b.AskSwitchover(b.ctx(), none, topology.Switchover{Kind: topology.OrderElect, Step: topology.Asked}))
		return second(b.Campaign(b.ctx(), req))
	}},
	{"Campaign/guard forgotten", "nothing guards intent/db2", func(b *bed) error {
		req := campaign(b.lease(), "db2", b.load())
		req.Guards = Guards{}.Spec(0).Mode(0).Reign(0)
		return second(b.Campaign(b.ctx(), req))
	}},
	{"PutPhase/other epoch", "writer", func(b *bed) error {
		lease, epoch := b.reign("db1")
		return second(b.PutPhase(b.ctx(), lease, epoch-1, topology.Phase{Step: topology.Ready}))
	}},
	{"PutPhase/no epoch", "no epoch", func(b *bed) error {
		return second(b.PutPhase(b.ctx(), b.lease(), 0, topology.Phase{Step: topology.Ready}))
	}},
	{"PutPhase/reign over", "writer is gone", func(b *bed) error {
		lease, epoch := b.reign("db1")
		if _, err := b.DropWriter(b.ctx(), epoch); err != nil {
			return err
		}
		return second(b.PutPhase(b.ctx(), lease, epoch, topology.Phase{Step: topology.Ready}))
	}},
	{"PutReign/other epoch", "writer", func(b *bed) error {
		_, epoch := b.reign("db1")
		return second(b.PutReign(b.ctx(), epoch+1, 0, topology.Reign{}))
	}},
	{"PutReign/no epoch", "no epoch", func(b *bed) error {
		return second(b.PutReign(b.ctx(), 0, 0, topology.Reign{}))
	}},
	{"PutReign/changed", "reign", func(b *bed) error {
		_, epoch := b.reign("db1")
		b.must(b.PutReign(b.ctx(), epoch, 0, topology.Reign{W: 1}))
		return second(b.PutReign(b.ctx(), epoch, 0, topology.Reign{W: 2}))
	}},
	{"DropWriter/other reign", "writer", func(b *bed) error {
		_, epoch := b.reign("db1")
		_, err := b.DropWriter(b.ctx(), epoch-1)
		return err
	}},
	{"DropWriter/no epoch", "writer", func(b *bed) error {
		b.reign("db1")
		_, err := b.DropWriter(b.ctx(), 0)
		return err
	}},
}

// The writes about an order.
var brokenOrders = []brokenGuard{
	{"AskSwitchover/open order", "db2", func(b *bed) error {
		_, epoch := b.reign("db1")
		b.order(epoch, topology.Asked)
		return second(b.AskSwitchover(b.ctx(), b.load().Switchover, topology.Switchover{Kind: topology.OrderSwitchover, Epoch: epoch}))
	}},
	{"AskSwitchover/order unseen", "switchover exists", func(b *bed) error {
		_, epoch := b.reign("db1")
		b.order(epoch, topology.Asked)
		return second(b.AskSwitchover(b.ctx(), none, topology.Switchover{Kind: topology.OrderSwitchover, Epoch: epoch}))
	}},
	{"AskSwitchover/reign over", "writer", func(b *bed) error {
		_, epoch := b.reign("db1")
		return second(b.AskSwitchover(b.ctx(), none, topology.Switchover{Kind: topology.OrderSwitchover, Epoch: epoch + 5}))
	}},
	{"AskSwitchover/no epoch", "no epoch", func(b *bed) error {
		return second(b.AskSwitchover(b.ctx(), none, topology.Switchover{Kind: topology.OrderSwitchover}))
	}},
	{"AdvanceSwitchover/other epoch", "writer", func(b *bed) error {
		_, epoch := b.reign("db1")
		order := b.order(epoch, topology.Asked)
		return second(b.AdvanceSwitchover(b.ctx(), epoch-1, order.Rev, topology.Switchover{Step: topology.Drained}))
	}},
	{"AdvanceSwitchover/settled meanwhile", "switchover", func(b *bed) error {
		_, epoch := b.reign("db1")
		order := b.order(epoch, topology.Asked)
		b.must(b.AdvanceSwitchover(b.ctx(), epoch, order.Rev, topology.Switchover{Step: topology.Aborted}))
		return second(b.AdvanceSwitchover(b.ctx(), epoch, order.Rev, topology.Switchover{Step: topology.Drained}))
	}},
	{"AdvanceSwitchover/no order", "no revision", func(b *bed) error {
		_, epoch := b.reign("db1")
		return second(b.AdvanceSwitchover(b.ctx(), epoch, 0, topology.Switchover{Step: topology.Drained}))
	}},
	{"AdvanceSwitchover/no writer meant, one reigns", "writer exists", func(b *bed) error {
		_, epoch := b.reign("db1")
		order := b.order(epoch, topology.Asked)
		return second(b.AdvanceSwitchover(b.ctx(), 0, order.Rev, topology.Switchover{Step: topology.Aborted}))
	}},
	{"HandOver/other epoch", "writer", func(b *bed) error {
		_, epoch := b.reign("db1")
		return second(b.HandOver(b.ctx(), epoch-1, b.order(epoch, topology.TargetReady), topology.Writer{Name: "db2"}, b.lease()))
	}},
	{"HandOver/no epoch", "no epoch", func(b *bed) error {
		_, epoch := b.reign("db1")
		return second(b.HandOver(b.ctx(), 0, b.order(epoch, topology.TargetReady), topology.Writer{Name: "db2"}, b.lease()))
	}},
	{"HandOver/order aborted meanwhile", "switchover", func(b *bed) error {
		_, epoch := b.reign("db1")
		order := b.order(epoch, topology.TargetReady)
		b.must(b.AdvanceSwitchover(b.ctx(), epoch, order.Rev, topology.Switchover{Step: topology.Aborted}))
		return second(b.HandOver(b.ctx(), epoch, order, topology.Writer{Name: "db2"}, b.lease()))
	}},
	{"HandOver/target not ready", "drained", func(b *bed) error {
		_, epoch := b.reign("db1")
		return second(b.HandOver(b.ctx(), epoch, b.order(epoch, topology.Drained), topology.Writer{Name: "db2"}, b.lease()))
	}},
}

// none is the order of a cluster that has none.
var none topology.Entry[topology.Switchover]

// order places an order to db2 and takes it to a step.
func (b *bed) order(epoch topology.Rev, step topology.SwitchStep) topology.Entry[topology.Switchover] {
	b.t.Helper()
	b.must(b.AskSwitchover(b.ctx(), none, topology.Switchover{Kind: topology.OrderSwitchover, Target: "db2", Epoch: epoch, Step: step}))
	return b.load().Switchover
}

// stale campaigns upon a view that has been overtaken by a change.
func stale(change func(*bed)) func(*bed) error {
	return func(b *bed) error {
		req := campaign(b.lease(), "db2", b.load())
		change(b)
		return second(b.Campaign(b.ctx(), req))
	}
}

func second(_ topology.Rev, err error) error { return err }

func TestRefusedHandOverChangesNoKey(t *testing.T) {
	b := newBed(t)
	_, epoch := b.reign("db1")
	order := b.order(epoch, topology.TargetReady)
	before := b.load()
	if _, err := b.HandOver(b.ctx(), epoch-1, order, topology.Writer{Name: "db2"}, b.lease()); !errors.Is(err, ErrGuard) {
		t.Fatalf("got %v", err)
	}
	after := b.load()
	if after.Writer.Rev != before.Writer.Rev || after.Phase.Rev != before.Phase.Rev || after.Switchover.Rev != before.Switchover.Rev {
		t.Errorf("something changed: %+v, %+v", before, after)
	}
}

// R15: the key is put once, and its revision is the epoch.
func TestCampaignPutsWriterAndPhaseOfOneEpoch(t *testing.T) {
	b := newBed(t)
	lease, epoch := b.reign("db1")
	c := b.load()
	if c.Epoch() != epoch || c.Writer.Lease != lease || c.Writer.Value.Name != "db1" {
		t.Errorf("writer %+v", c.Writer)
	}
	if p := c.Phase; p.Value.Epoch != epoch || p.Value.Step != topology.CatchingUp || p.Lease != lease || p.Value.Incarnation != "boot-1-1" {
		t.Errorf("phase %+v", p)
	}
	b.must(b.PutPhase(b.ctx(), lease, epoch, topology.Phase{Step: topology.Ready}))
	if p := b.load().Phase.Value; p.Epoch != epoch || p.Step != topology.Ready {
		t.Errorf("phase %+v", p)
	}
	if b.load().Epoch() != epoch {
		t.Error("a phase changed the epoch")
	}
}

func TestHandOverMovesTheReignInOneTransaction(t *testing.T) {
	b := newBed(t)
	_, epoch := b.reign("db1")
	order := b.order(epoch, topology.TargetReady)
	lease := b.lease()
	next := b.must(b.HandOver(b.ctx(), epoch, order, topology.Writer{ID: "id-db2", Name: "db2", Previous: epoch}, lease))
	c := b.load()
	if c.Epoch() != next || next <= epoch || c.Writer.Lease != lease || c.Writer.Value.Previous != epoch {
		t.Errorf("writer %+v", c.Writer)
	}
	if c.Switchover.Rev != next || c.Switchover.Value.Step != topology.Handed || c.Switchover.Value.Target != "db2" {
		t.Errorf("order %+v", c.Switchover)
	}
	if c.Phase.Present() {
		t.Errorf("phase of the old reign is left: %+v", c.Phase)
	}
	b.must(b.PutPhase(b.ctx(), lease, next, topology.Phase{Step: topology.CatchingUp}))
}

func TestHandOverToAnExpiredLeaseIsADefiniteNo(t *testing.T) {
	b := newBed(t)
	_, epoch := b.reign("db1")
	order := b.order(epoch, topology.TargetReady)
	lease := b.lease()
	if _, err := b.raw.Revoke(b.ctx(), clientv3.LeaseID(lease)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.HandOver(b.ctx(), epoch, order, topology.Writer{Name: "db2"}, lease); !errors.Is(err, ErrLeaseGone) || errors.Is(err, ErrUnknownOutcome) {
		t.Fatalf("got %v, want ErrLeaseGone", err)
	}
	if b.load().Epoch() != epoch {
		t.Error("the reign changed")
	}
}

func TestDroppingWhatIsGoneIsNoError(t *testing.T) {
	b := newBed(t)
	_, epoch := b.reign("db1")
	for range 2 {
		if _, err := b.DropWriter(b.ctx(), epoch); err != nil {
			t.Fatal(err)
		}
	}
	if c := b.load(); c.Writer.Present() || c.Phase.Present() {
		t.Errorf("left: %+v %+v", c.Writer, c.Phase)
	}
}

func TestDoneOrderIsReplaced(t *testing.T) {
	b := newBed(t)
	_, epoch := b.reign("db1")
	order := b.order(epoch, topology.Asked)
	b.must(b.AdvanceSwitchover(b.ctx(), epoch, order.Rev, topology.Switchover{Step: topology.Done}))
	b.must(b.AskSwitchover(b.ctx(), b.load().Switchover, topology.Switchover{Kind: topology.OrderSwitchover, Step: topology.Asked, Epoch: epoch, Target: "db3"}))
	if got := b.load().Switchover.Value.Target; got != "db3" {
		t.Errorf("target %s", got)
	}
}

func TestReportOfTheSameLeaseIsReplacedByAnyProcess(t *testing.T) {
	b := newBed(t)
	lease := b.lease()
	b.must(b.PutReport(b.ctx(), lease, "a", topology.Report{Name: "one"}))
	b.must(b.PutReport(b.ctx(), lease, "a", topology.Report{Name: "two"}))
	again := bedOf(t, b.etcd, "test", b.etcd.Endpoint) // an agent that came back on its lease
	again.must(again.PutReport(b.ctx(), lease, "a", topology.Report{Name: "three"}))
	b.must(b.PutReport(b.ctx(), lease, "a", topology.Report{Name: "four"}))
	if got := b.load().Hosts["a"]; got.Value.Name != "four" || got.Lease != lease {
		t.Errorf("report %+v", got)
	}
}

func TestNameThatIsNoKeyIsNotWritten(t *testing.T) {
	b := newBed(t)
	for _, name := range []string{"", "a/b"} {
		if _, err := b.SetIntent(b.ctx(), name, 0, topology.Intent{}); err == nil || errors.Is(err, ErrGuard) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	if _, err := b.commit(context.Background(), change{verb: "x", guards: []guard{{specKey, 0}}, puts: []put{{key: modeKey}}}); err == nil {
		t.Error("a change that breaks none of its guards was sent")
	}
}

// TestWriteThatBreaksNoGuardOfItsOwnIsRefused: a late copy of it would take
// effect once more.
func TestWriteThatBreaksNoGuardOfItsOwnIsRefused(t *testing.T) {
	p := put{key: modeKey, value: []byte("{}")}
	for name, ch := range map[string]change{
		"no guard":            {verb: "set mode", puts: []put{p}},
		"guard of other keys": {verb: "set mode", guards: []guard{{writerKey, 7}}, puts: []put{p}},
	} {
		if err := ch.check(); err == nil {
			t.Errorf("%s: it may be sent", name)
		}
	}
	if err := (change{verb: "set mode", guards: []guard{{writerKey, 7}, {modeKey, 3}}, puts: []put{p}}).check(); err != nil {
		t.Error(err)
	}
}
