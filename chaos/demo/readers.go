package demo

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
)

const (
	readEvery = 25 * time.Millisecond
	// readLimit is that of an impatient application; then it connects anew.
	readLimit = 150 * time.Millisecond
)

// readers are clients that read through the reader VIPs all the time.
type readers struct {
	mu   sync.Mutex
	each map[string]*reading // by VIP
	done sync.WaitGroup
}

// reading is what one of them saw.
type reading struct {
	answered int
	last     time.Time     // of the last answer
	longest  time.Duration // between two answers
}

// startReaders starts a client per VIP; they end with ctx, and wait returns then.
func startReaders(ctx context.Context, bed *lab.Bed, vips []string) (*readers, error) {
	r := &readers{each: make(map[string]*reading)}
	var dbs []*sql.DB
	for _, vip := range vips {
		address, err := netip.ParseAddr(vip)
		if err != nil {
			return nil, fmt.Errorf("start readers: %w", err)
		}
		db, err := bed.AppDB(lab.ClientHost, netip.AddrPortFrom(address, lab.ClientPort))
		if err != nil {
			return nil, fmt.Errorf("start readers: %w", err)
		}
		db.SetMaxOpenConns(1)
		r.each[vip] = &reading{last: time.Now()}
		dbs = append(dbs, db)
	}
	for i, vip := range vips {
		r.done.Go(func() {
			defer dbs[i].Close()
			r.read(ctx, dbs[i], vip)
		})
	}
	return r, nil
}

func (r *readers) read(ctx context.Context, db *sql.DB, vip string) {
	tick := time.NewTicker(readEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		limited, cancel := context.WithTimeout(ctx, readLimit)
		var id int
		err := db.QueryRowContext(limited, "SELECT @@server_id").Scan(&id)
		cancel()
		if err == nil {
			r.note(vip, time.Now())
		}
	}
}

func (r *readers) note(vip string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	one := r.each[vip]
	one.answered++
	one.longest = max(one.longest, now.Sub(one.last))
	one.last = now
}

// ages is how long ago each VIP last answered.
func (r *readers) ages(now time.Time) map[string]time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	ages := make(map[string]time.Duration)
	for vip, one := range r.each {
		ages[vip] = now.Sub(one.last)
	}
	return ages
}

// total is how many reads were answered, and the longest time without an
// answer through one of the VIPs.
func (r *readers) total() (answered int, longest time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.each {
		answered += one.answered
		longest = max(longest, one.longest)
	}
	return answered, longest
}
