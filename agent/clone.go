package agent

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/mmm-ha/mmm/internal/clone"
	"github.com/mmm-ha/mmm/topology"
)

// How often the space of a host is measured, and as long as there was nothing to
// measure: nobody takes a copy of a host whose size is unknown.
const (
	surveyPeriod = time.Minute
	surveySoon   = time.Second
)

// cloner knows how far this host is in becoming a copy of another, and whether it
// could. The actions move it; the probe shows it.
type cloner struct {
	dirs clone.Dirs
	log  *slog.Logger

	mu      sync.Mutex
	now     topology.Clone
	disk    topology.Space
	noTools string
	begun   map[string]time.Time // when a begin was last told, by donor
}

// openCloner takes up what the agent before had written down. A copy that was
// still coming then is worth nothing, and was not written down.
func openCloner(dirs clone.Dirs, log *slog.Logger) (*cloner, error) {
	c := &cloner{dirs: dirs, log: log, begun: map[string]time.Time{}}
	var err error
	c.now, err = dirs.Load()
	return c, err
}

// survey measures the space of this host until ctx ends.
func (c *cloner) survey(ctx context.Context) error {
	for {
		pause := surveyPeriod
		if !c.measure() { // it may take long, and nothing waits for it
			pause = surveySoon
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// measure reports whether there was something to measure.
func (c *cloner) measure() bool {
	data, free, err := c.dirs.Size()
	if err != nil {
		c.log.Debug("cannot measure the space that a copy takes; trying on", "err", err)
	}
	tools, place := clone.Tools(), c.dirs.Replaceable()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.disk, c.noTools = topology.Space{Data: data, Free: free}, ""
	if tools != nil {
		c.noTools = tools.Error()
	}
	if errors.Is(place, clone.ErrCannotReplace) { // anything else may be over in a moment, and is met when a copy is made
		c.disk.Stays = place.Error()
	}
	return data > 0
}

// show adds to a reading of mysqld what is known here.
func (c *cloner) show(p *topology.Probe) {
	if c == nil {
		return
	}
	c.mu.Lock()
	p.Clone, p.Space, p.NoTools = c.now, c.disk, c.noTools
	c.mu.Unlock()
	p.Unfinished = p.Unfinished || p.Clone.Unfinished()
	p.NoData = p.Incarnation == "" && c.dirs.Empty()
}

func (c *cloner) state() topology.Clone {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// keep takes the next step of a copy, on disk first. One that still comes is not
// kept: whatever ends the agent ends it.
func (c *cloner) keep(next topology.Clone) error {
	if next.Step != topology.CloneCopying {
		if err := c.dirs.Save(next); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = next
	return nil
}

// came counts what has come of a copy.
func (c *cloner) came(bytes, total int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.Bytes, c.now.Total = bytes, total
}

// news reports whether the beginning of a copy is worth an event: not when the
// same was begun in vain a moment ago.
func (c *cloner) news(from string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	last, told := c.begun[from]
	if told && now.Sub(last) < time.Minute {
		return false
	}
	c.begun[from] = now
	return true
}
