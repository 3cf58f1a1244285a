package toll

import (
	"encoding/xml"
	"fmt"
	"math"
	"strings"
)

// The plot, in pixels: labels on the left, a logarithmic axis of ratios on the right.
const (
	plotWidth = 960
	axisLeft  = 250
	axisRight = 930
	topMargin = 96
	rowHeight = 34
	axisMin   = 0.4
	axisMax   = 3.0
	plotFont  = "font-family='DejaVu Sans, Verdana, sans-serif'"
	paleColor = "#69727d"
	smallGrey = "font-size='11' fill='" + paleColor + "'"
)

var colors = map[string]string{MySQLRouter: "#a35a00", MMMRouter: "#1d6fb8", ProxySQL: "#7a3fa0"}

// SVG is the ratio to haproxy of every other proxy: a row for each cell, a dot for
// each round, a bar from quartile to quartile, and the median as a line.
func (r *Result) SVG() string {
	rows := r.rows()
	bottom := topMargin + len(rows)*rowHeight
	var s strings.Builder
	fmt.Fprintf(&s, "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' viewBox='0 0 %d %d' %s font-size='12' fill='#1f2933'>\n",
		plotWidth, bottom+50, plotWidth, bottom+50, plotFont)
	fmt.Fprintf(&s, "<rect width='%d' height='%d' fill='white'/>\n", plotWidth, bottom+50)
	text(&s, 20, 32, "font-size='19' font-weight='bold'", "CPU of a proxy for one query, beside haproxy's")
	text(&s, 20, 53, "fill='"+paleColor+"'", fmt.Sprintf("ratio in the same round, log scale; less is better; %d rounds; %s", r.Rounds, r.Date.Format("2006-01-02")))
	x := axisLeft
	for _, t := range r.compared() {
		fmt.Fprintf(&s, "<circle cx='%d' cy='72' r='4.5' fill='%s'/>\n", x, colors[t.Name])
		text(&s, x+10, 76, "font-size='11'", t.Name)
		x += 130
	}
	for _, tick := range []float64{0.5, 0.7, 1, 1.4, 2, 3} {
		color := "#e3e6ea"
		if tick == 1 {
			color = "#2e8540"
		}
		fmt.Fprintf(&s, "<line x1='%.1f' x2='%.1f' y1='%d' y2='%d' stroke='%s'/>\n", xOf(tick), xOf(tick), topMargin, bottom, color)
		text(&s, int(xOf(tick)), bottom+17, smallGrey+" text-anchor='middle'", fmt.Sprintf("%g", tick))
	}
	text(&s, int(xOf(1)), bottom+34, "font-size='11' fill='#2e8540' text-anchor='middle'", "haproxy")
	for i, row := range rows {
		r.draw(&s, row, topMargin+i*rowHeight)
	}
	s.WriteString("</svg>\n")
	return s.String()
}

// compared are the proxies but haproxy.
func (r *Result) compared() []Target {
	var all []Target
	for _, t := range r.proxies() {
		if t.Name != Haproxy {
			all = append(all, t)
		}
	}
	return all
}

// xOf is where a ratio lies on the axis.
func xOf(v float64) float64 {
	v = min(max(v, axisMin), axisMax)
	return axisLeft + math.Log(v/axisMin)/math.Log(axisMax/axisMin)*(axisRight-axisLeft)
}

// draw puts a row between y and y + rowHeight.
func (r *Result) draw(s *strings.Builder, row row, y int) {
	fmt.Fprintf(s, "<line x1='20' x2='%d' y1='%d' y2='%d' stroke='#e3e6ea'/>\n", axisRight, y, y)
	text(s, 20, y+rowHeight/2+4, "", row.String())
	targets := r.compared()
	for i, t := range targets {
		c := r.cell(t.Name, row.load, row.clients)
		if len(c.Rounds) == 0 {
			continue
		}
		middle := float64(y) + (float64(i)+0.5)*rowHeight/float64(len(targets))
		q := spread(c.of(ratio))
		fmt.Fprintf(s, "<line x1='%.1f' x2='%.1f' y1='%.1f' y2='%.1f' stroke='%s' stroke-width='5' stroke-opacity='0.35'/>\n", xOf(q.Low), xOf(q.High), middle, middle, colors[t.Name])
		for _, one := range c.Rounds {
			fmt.Fprintf(s, "<circle cx='%.1f' cy='%.1f' r='2' fill='%s' fill-opacity='0.5'/>\n", xOf(one.Ratio), middle, colors[t.Name])
		}
		fmt.Fprintf(s, "<line x1='%.1f' x2='%.1f' y1='%.1f' y2='%.1f' stroke='%s' stroke-width='3'/>\n", xOf(q.Median), xOf(q.Median), middle-6, middle+6, colors[t.Name])
	}
}

// text writes one line of text, escaped.
func text(s *strings.Builder, x, y int, attributes, line string) {
	fmt.Fprintf(s, "<text x='%d' y='%d' %s>", x, y, attributes)
	_ = xml.EscapeText(s, []byte(line)) // a strings.Builder takes everything
	s.WriteString("</text>\n")
}
