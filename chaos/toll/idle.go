package toll

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Idle is what clients cost that are logged in, have read once, and do nothing.
type Idle struct {
	Sessions int   `json:"sessions"`     // that were held: fewer than asked for if no more files may be open
	RSS      int64 `json:"rssBytes"`     // of the proxy
	Files    int64 `json:"fileBytes"`    // of RSS: pages of its program and libraries
	Bare     int64 `json:"bareRSSBytes"` // of the proxy, of the same number that have logged in and asked nothing
}

// hold keeps n sessions open. used: each has read once.
func hold(ctx context.Context, t *target, n int, used bool) (let func(), err error) {
	var all []*client
	let = func() {
		for _, c := range all {
			c.close()
		}
	}
	for range n {
		c, err := connect(ctx, t.address)
		if err == nil {
			all = append(all, c)
			if used {
				err = c.point()
			}
			c.idle()
		}
		if err != nil {
			let()
			return nil, fmt.Errorf("%s: session %d of %d: %w", t.name, len(all), n, err)
		}
	}
	return let, nil
}

// settle gives a proxy time to give memory back.
const settle = 4 * time.Second

// memory is what n idle sessions of a proxy take.
func memory(ctx context.Context, t *target, n int) (Idle, error) {
	out := Idle{Sessions: n}
	for _, used := range []bool{false, true} {
		let, err := hold(ctx, t, n, used)
		if err != nil {
			return out, err
		}
		time.Sleep(settle)
		size, files, err := rss(t.proxy.pid)
		let()
		if err != nil {
			return out, err
		}
		if out.RSS, out.Files = size, files; !used {
			out.Bare = size
		}
		if err := drained(ctx, t); err != nil {
			return out, err
		}
	}
	return out, nil
}

// drained waits until the proxy has no clients but a few.
func drained(ctx context.Context, t *target) error {
	for end := time.Now().Add(starts); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		n, err := openFiles(t.proxy.pid)
		if err != nil {
			return err
		}
		if n < 600 { // mmmrouter keeps some for the next clients
			return ctx.Err()
		}
	}
	return errors.New(t.name + " does not close the connections of clients that are gone")
}
