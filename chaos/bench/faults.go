package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
)

// fault is one way for a writer to fail or move.
type fault struct {
	name, what string
	goal       func(ttl time.Duration) goal
	published  Range
	// prepare makes ready for it; nil: nothing to do. It may disturb.
	prepare func(ctx context.Context, bed *lab.Bed, writer string) error
	// strike makes it happen to the writer; it returns when the effect was seen.
	strike func(ctx context.Context, bed *lab.Bed, writer string) error
	// stays: the writer should be the same before and after.
	stays bool
	// lasts is how long it goes on before it is repaired, for one that stays; its
	// repair is within the gap that is measured.
	lasts func(ttl time.Duration) time.Duration
	// lingers: the writer goes on for a while, so that the first write after the
	// fault is not the end of the gap.
	lingers bool
	// direct: a second client writes to the writer's own address all the time, past
	// the VIP. What the struck host still acknowledges to it after the next writer
	// has begun counts as a second acceptor.
	direct bool
}

func millis(ms int) Millis { return Millis(time.Duration(ms) * time.Millisecond) }

// faults are measured in this order. What was published of mysql-mmm comes from
// measurements of its release 2.2.1 on four servers like these.
var faults = []fault{
	{
		name: "kill", what: "mysqld kill -9",
		goal:      func(time.Duration) goal { return goal{50, 250 * time.Millisecond} },
		published: Range{millis(17400), millis(17400)},
		strike:    func(ctx context.Context, b *lab.Bed, writer string) error { return b.KillMysqld(ctx, writer, false) },
	},
	{
		name: "host", what: "host gone (cable out, everything on it dead)",
		goal:      func(ttl time.Duration) goal { return goal{99, 2*ttl + 500*time.Millisecond} },
		published: Range{millis(24500), millis(38600)},
		strike:    func(ctx context.Context, b *lab.Bed, writer string) error { return b.KillHost(ctx, writer) },
	},
	{
		name: "frozen", what: "mysqld frozen (SIGSTOP)",
		goal:      func(time.Duration) goal { return goal{100, 3 * time.Second} },
		published: Range{millis(36600), millis(38200)},
		strike: func(ctx context.Context, b *lab.Bed, writer string) error {
			return b.Freeze(ctx, writer, lab.UnitMySQL)
		},
	},
	{
		name: "planned", what: "planned switchover",
		goal:      func(time.Duration) goal { return goal{99, 200 * time.Millisecond} },
		published: Range{millis(500), millis(900)},
		strike: func(ctx context.Context, b *lab.Bed, _ string) error {
			if out, err := b.Ctl(ctx, "switchover", "--yes", "--reason", "measurement"); err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		},
	},
	{
		name: "agent-killed", what: "agent kill -9 (mysqld lives)", direct: true, lingers: true,
		goal:   withinLease(time.Second),
		strike: func(ctx context.Context, b *lab.Bed, writer string) error { return b.KillAgent(ctx, writer, false) },
	},
	{
		name: "agent-frozen", what: "agent frozen (SIGSTOP; mysqld lives)", direct: true, lingers: true,
		goal: withinLease(time.Second),
		strike: func(ctx context.Context, b *lab.Bed, writer string) error {
			return b.Freeze(ctx, writer, lab.UnitAgent)
		},
	},
	{
		name: "host-frozen", what: "host frozen, then resumed", direct: true,
		goal: withinLease(time.Second),
		strike: func(ctx context.Context, b *lab.Bed, writer string) error {
			return b.Freeze(ctx, writer, lab.WholeHost)
		},
	},
	{
		name: "host-leader", what: "host gone (it was etcd's leader, too)",
		goal:    withinLease(2 * time.Second),
		prepare: leadEtcd,
		strike:  func(ctx context.Context, b *lab.Bed, writer string) error { return b.KillHost(ctx, writer) },
	},
	{
		name: "agent-restarted", what: "agent restarted (kill -9, comes back)", stays: true,
		// An insert every 10 ms on a busy machine: less than that cannot be told from none.
		goal:   func(time.Duration) goal { return goal{50, 30 * time.Millisecond} },
		lasts:  func(ttl time.Duration) time.Duration { return 2 * ttl },
		strike: func(ctx context.Context, b *lab.Bed, writer string) error { return b.KillAgent(ctx, writer, true) },
	},
	{
		name: "etcd-outage", what: "etcd gone (all members, ten leases long)", stays: true,
		goal:   func(time.Duration) goal { return goal{100, time.Second} },
		lasts:  func(ttl time.Duration) time.Duration { return 10 * ttl },
		strike: killEtcd,
	},
}

// withinLease is a goal for the longest run: one lease and a bit.
func withinLease(more time.Duration) func(time.Duration) goal {
	return func(ttl time.Duration) goal { return goal{100, ttl + more} }
}
