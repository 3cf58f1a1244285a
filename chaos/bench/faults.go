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
	// strike makes it happen to the writer; it returns when the effect was seen.
	strike func(ctx context.Context, bed *lab.Bed, writer string) error
}

func millis(ms int) Millis { return Millis(time.Duration(ms) * time.Millisecond) }

// faults are measured in this order. What was published of mysql-mmm comes from
// measurements of its release 2.2.1 on four servers like these.
var faults = []fault{
	{
		name: "kill", what: "mysqld kill -9",
		goal:      func(time.Duration) goal { return goal{50, 300 * time.Millisecond} },
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
}

// repair undoes whatever a fault left of a host: it starts what is down and
// thaws what is frozen. What the cluster did to it meanwhile does not matter.
func repair(ctx context.Context, bed *lab.Bed, host string) error {
	status, err := bed.Status(ctx)
	if err != nil {
		return fmt.Errorf("repair %s: %w", host, err)
	}
	for _, h := range status.Hosts {
		if h.Name != host {
			continue
		}
		if !h.Up {
			return bed.StartHost(ctx, host)
		}
		for _, u := range h.Units {
			switch {
			case u.Name == lab.UnitMySQL && u.Frozen:
				return bed.Thaw(ctx, host, lab.UnitMySQL)
			case u.Name == lab.UnitMySQL && u.PID == 0 && u.Held:
				return bed.StartMysqld(ctx, host)
			}
		}
	}
	return nil
}
