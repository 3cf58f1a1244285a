package outcome

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/chaos/check"
	"github.com/mmm-ha/mmm/chaos/history"
)

// The picture, in pixels.
const (
	leftEdge    = 130
	rightEdge   = 30
	perSecond   = 14.0
	minWidth    = 1100.0 // of the time axis
	axisHeight  = 24
	labelHeight = 14
	labelRows   = 3 // labels of faults, one below the other where they are dense
	laneHeight  = 24
	barHeight   = 15
	shortGap    = 100 * time.Millisecond // of writes or answers: not worth ink
)

const (
	ink       = "#1f2933"
	pale      = "#69727d"
	grid      = "#e3e6ea"
	red       = "#c0232c"
	outGrey   = "#c9ced4"
	goodGreen = "#2e8540"
)

// hostColors tell the hosts apart, in their order.
var hostColors = []string{"#1d6fb8", "#c8701a", "#4c9a5b", "#8456a8", "#9c7a3c", "#3c8f9c"}

// drawing is a picture that is being made.
type drawing struct {
	strings.Builder
	h      *history.History
	scale  float64 // pixels per second
	width  float64
	bottom int
	colors map[string]string
}

// picture draws the run.
func picture(h *history.History) string {
	d := &drawing{h: h, scale: perSecond, colors: map[string]string{}}
	length := h.Run.Ended.Sub(h.Run.Began).Seconds()
	d.scale = max(perSecond, minWidth/max(length, 1))
	d.width = leftEdge + length*d.scale + rightEdge
	for i, name := range h.Names() {
		d.colors[name] = hostColors[i%len(hostColors)]
	}
	top := axisHeight + labelRows*labelHeight + 10
	lanes := 1 + len(h.Names()) + len(h.Run.WriterVIPs) + len(h.Run.ReaderVIPs)
	d.bottom = top + lanes*laneHeight + 12
	fmt.Fprintf(d, "<svg xmlns='http://www.w3.org/2000/svg' width='%.0f' height='%d' viewBox='0 0 %.0f %d' font-family='DejaVu Sans, Verdana, sans-serif' font-size='11' fill='%s'>\n",
		d.width, d.bottom+10, d.width, d.bottom+10, ink)
	fmt.Fprintf(d, "<rect width='%.0f' height='%d' fill='white'/>\n", d.width, d.bottom+10)
	d.axis(top)
	d.bands(top)
	y := top
	lane := func(name string, draw func(y int)) {
		d.text(8, y+16, "font-size='12'", name)
		draw(y)
		y += laneHeight
	}
	lane("writes", d.writes)
	for _, host := range h.Names() {
		lane(host, func(y int) { d.host(host, y) })
	}
	for _, vip := range h.Run.WriterVIPs {
		lane("writer VIP", func(y int) { d.vip(vip, y) })
	}
	for _, vip := range h.Run.ReaderVIPs {
		lane("VIP "+vip[strings.LastIndexByte(vip, '.')+1:], func(y int) { d.vip(vip, y) })
	}
	d.WriteString("</svg>\n")
	return d.String()
}

// x is where a moment lies.
func (d *drawing) x(t history.Time) float64 {
	t = min(max(t, d.h.Run.Began), d.h.Run.Ended)
	return leftEdge + t.Sub(d.h.Run.Began).Seconds()*d.scale
}

func (d *drawing) text(x float64, y int, attributes, line string) {
	fmt.Fprintf(d, "<text x='%.1f' y='%d' %s>", x, y, attributes)
	_ = xml.EscapeText(d, []byte(line)) // a strings.Builder takes everything
	d.WriteString("</text>\n")
}

// box draws a rectangle from one moment to another, with a hint for the mouse.
func (d *drawing) box(from, to history.Time, y, height int, attributes, hint string) {
	fmt.Fprintf(d, "<rect x='%.1f' y='%d' width='%.1f' height='%d' %s>", d.x(from), y, max(d.x(to)-d.x(from), 1), height, attributes)
	if hint != "" {
		d.WriteString("<title>")
		_ = xml.EscapeText(d, []byte(hint))
		d.WriteString("</title>")
	}
	d.WriteString("</rect>\n")
}

// axis draws the seconds and the lines between the lanes.
func (d *drawing) axis(top int) {
	for t, s := d.h.Run.Began, 0; t <= d.h.Run.Ended; t, s = t.Add(5*time.Second), s+5 {
		fmt.Fprintf(d, "<line x1='%.1f' x2='%.1f' y1='%d' y2='%d' stroke='%s'/>\n", d.x(t), d.x(t), top, d.bottom, grid)
		if s%10 == 0 {
			d.text(d.x(t), 14, "text-anchor='middle' fill='"+pale+"'", fmt.Sprintf("%d s", s))
		}
	}
	for y := top - 4; y < d.bottom; y += laneHeight {
		fmt.Fprintf(d, "<line x1='0' x2='%.0f' y1='%d' y2='%d' stroke='%s'/>\n", d.width, y, y, grid)
	}
}

// bands draws the faults over all lanes, their labels above.
func (d *drawing) bands(top int) {
	free := make([]float64, labelRows) // where each row of labels is free again
	for i, g := range check.Gaps(d.h) {
		f := g.Fault
		lifted, settled := f.Lifted, f.Settled
		if lifted == 0 {
			lifted = d.h.Run.Ended
		}
		label := fmt.Sprintf("%d %s %s", i+1, f.Class, f.Host)
		hint := label + ": " + f.Evidence
		d.box(f.Begin, lifted, top-6, d.bottom-top+6, "fill='"+red+"' fill-opacity='0.13'", hint)
		if settled > lifted {
			d.box(lifted, settled, top-6, d.bottom-top+6, "fill='"+red+"' fill-opacity='0.045'", hint)
		}
		x, row := d.x(f.Begin), 0
		for r := range free {
			if free[r] <= x {
				row = r
				break
			}
			if free[r] < free[row] {
				row = r
			}
		}
		free[row] = x + float64(len(label))*6.4
		y := axisHeight + row*labelHeight + 8
		fmt.Fprintf(d, "<line x1='%.1f' x2='%.1f' y1='%d' y2='%d' stroke='%s' stroke-opacity='0.4'/>\n", x, x, y-8, top, red)
		d.text(x+2, y, "font-size='10.5' fill='"+red+"'", label)
	}
}

// writes draws when writes were acknowledged.
func (d *drawing) writes(y int) {
	d.box(d.h.Run.Began, d.h.Run.Ended, y+6, 5, "fill='"+goodGreen+"'", "")
	last := d.h.Run.Began
	for _, t := range append(check.Acknowledged(d.h), d.h.Run.Ended) {
		if gap := t.Sub(last); gap > shortGap {
			d.silence(last, t, y, gap)
			if d.x(t)-d.x(last) > 9 {
				d.text(d.x(last), y+22, "font-size='9' fill='"+red+"'", Millis(gap).String())
			}
		}
		last = max(last, t)
	}
}

// silence draws a gap in a lane.
func (d *drawing) silence(from, to history.Time, y int, gap time.Duration) {
	d.box(from, to, y+3, 11, "fill='"+red+"'", "nothing for "+Millis(gap).String())
}

// host draws when a host was out of service and when it reigned.
func (d *drawing) host(host string, y int) {
	outside := func(s history.State) string {
		if state, known := s.Hosts[host]; known && state != "ONLINE" {
			return state
		}
		return ""
	}
	d.spans(outside, func(from, to history.Time, state string) {
		d.box(from, to, y+1, barHeight, "fill='"+outGrey+"'", host+" is "+state)
	})
	ready := func(s history.State) string {
		if s.Writer != host {
			return ""
		}
		return fmt.Sprintf("%d %s", s.Epoch, s.Phase)
	}
	d.spans(ready, func(from, to history.Time, what string) {
		opacity := "0.35"
		epoch, phase, _ := strings.Cut(what, " ")
		if phase == "ready" {
			opacity = "0.95"
		}
		d.box(from, to, y+1, barHeight, "fill='"+d.colors[host]+"' fill-opacity='"+opacity+"'", "epoch "+epoch+", "+phase)
		if phase == "ready" && d.x(to)-d.x(from) > 60 {
			d.text(d.x(from)+4, y+12, "font-size='10' fill='white'", "epoch "+epoch)
		}
	})
}

// spans finds the times in which what holds of the content of etcd stays the same.
func (d *drawing) spans(what func(history.State) string, draw func(from, to history.Time, what string)) {
	last, since := "", d.h.Run.Began
	for _, s := range d.h.States {
		if now := what(s); now != last {
			if last != "" {
				draw(since, s.T, last)
			}
			last, since = now, s.T
		}
	}
	if last != "" {
		draw(since, d.h.Run.Ended, last)
	}
}

// vip draws who carried an address, and when nobody answered for it.
func (d *drawing) vip(vip string, y int) {
	for _, t := range check.Tenures(d.h) {
		if t.Addr != vip {
			continue
		}
		d.box(t.From, t.To, y+2, barHeight-3, "fill='"+d.colors[t.Host]+"' fill-opacity='0.75'", t.Host)
		if d.x(t.To)-d.x(t.From) > 34 {
			d.text(d.x(t.From)+4, y+12, "font-size='10' fill='white'", t.Host)
		}
	}
	last := d.h.Run.Began
	for _, a := range d.h.ARPs {
		if a.VIP != vip || len(a.Hosts) == 0 {
			continue
		}
		if gap := a.Return.Sub(last); gap > shortGap+50*time.Millisecond { // it is asked every 50 ms
			d.silence(last, a.Return, y, gap)
		}
		last = a.Return
	}
	if i := slices.IndexFunc(d.h.ARPs, func(a history.ARP) bool { return a.VIP == vip && len(a.Hosts) > 1 }); i >= 0 {
		a := d.h.ARPs[i]
		d.text(d.x(a.Call), y+12, "font-weight='bold' fill='"+red+"'", "two answers: "+strings.Join(a.Hosts, ", "))
	}
}
