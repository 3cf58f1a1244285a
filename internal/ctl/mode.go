package ctl

import (
	"context"
	"fmt"
	"strings"

	"github.com/mmm-ha/mmm/topology"
)

// Mode prints the mode in force; for a mode that somebody set, also who, when
// and why.
func (c *Ctl) Mode(ctx context.Context) error {
	cl, err := c.load(ctx)
	if err != nil {
		return err
	}
	m := cl.Mode.Value
	m.Mode = cl.ModeNow()
	doc := struct {
		document
		topology.ModeSetting
	}{kind("Mode"), m}
	return c.emit(doc, func(w *strings.Builder) {
		w.WriteString(string(m.Mode) + "\n")
		if cl.Mode.Present() {
			c.note("since %s (%s ago)%s", m.Since.Format("2006-01-02 15:04:05"), ago(c.now().Sub(m.Since)), signed(m.Who, m.Why))
		}
	})
}

// SetMode changes how much the cluster does by itself. Fences and lease
// renewals go on in every mode.
func (c *Ctl) SetMode(ctx context.Context, mode topology.Mode) error {
	return c.say(c.setMode(ctx, mode))
}

func (c *Ctl) setMode(ctx context.Context, mode topology.Mode) (answer, error) {
	cl, err := c.load(ctx)
	if err != nil {
		return answer{}, err
	}
	word := strings.ToLower(string(mode))
	if cl.ModeNow() == mode {
		return answer{text: "the mode is " + string(mode) + " already", mmm: fmt.Sprintf("OK: Already in %s mode.", word)}, nil
	}
	call, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	setting := topology.ModeSetting{Mode: mode, Who: c.Who, Why: c.Reason, Since: c.now()}
	if _, err := c.Store.SetMode(call, cl.Mode.Rev, setting); err != nil {
		return answer{}, err
	}
	c.record(ctx, cl, "switched from %s into %s mode", cl.ModeNow(), mode)
	if mode == topology.Active && len(cl.Pins) > 0 {
		c.note("%s still pinned; `mmmctl unpin VIP` frees one", count(len(cl.Pins), "VIP"))
	}
	return answer{
		text: fmt.Sprintf("the mode is %s now, it was %s", mode, cl.ModeNow()),
		mmm:  fmt.Sprintf("OK: Switched into %s mode.", word),
	}, nil
}
