package ctl

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// Events prints the newest n events since a time, oldest first; n 0 means all.
// With follow it goes on printing until ctx ends, which is no error.
func (c *Ctl) Events(ctx context.Context, since time.Time, n int, follow bool) error {
	call, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	events, err := c.Store.Events(call, since, n)
	if err != nil {
		return err
	}
	if !follow {
		doc := struct {
			document
			Events []topology.Event `json:"events"`
		}{kind("Events"), events}
		return c.emit(doc, func(w *strings.Builder) {
			for _, e := range events {
				w.WriteString(eventLine(e) + "\n")
			}
		})
	}
	last := c.now()
	for _, e := range events {
		c.follow(e)
		last = e.At.Add(time.Nanosecond)
	}
	err = c.Store.WatchEvents(ctx, last, c.follow)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// follow prints one event as it comes; JSON is one object a line. A reader that
// went away ends the process by SIGPIPE, so an error here has nobody to go to.
func (c *Ctl) follow(e topology.Event) {
	line := eventLine(e)
	if c.Format == JSON || c.Format == YAML {
		if text, err := json.Marshal(e); err == nil {
			line = string(text)
		}
	}
	_, _ = fmt.Fprintln(c.Out, line)
}

func eventLine(e topology.Event) string {
	epoch := ""
	if e.Epoch > 0 {
		epoch = fmt.Sprintf("epoch %d", e.Epoch)
	}
	return fmt.Sprintf("%s  %-8s  %-10s  %s", e.At.Local().Format("2006-01-02 15:04:05.000"), e.Host, epoch, eventText(e))
}

func eventText(e topology.Event) string {
	if e.Why == "" {
		return e.What
	}
	return e.What + ": " + e.Why
}
