package bench

import (
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// The plot, in pixels: labels on the left, a logarithmic axis of time on the right.
const (
	plotWidth  = 960
	axisLeft   = 300
	axisRight  = 930
	topMargin  = 96
	rowHeight  = 62
	axisMin    = 10 * time.Millisecond
	axisMax    = 60 * time.Second
	lineHeight = 15
)

const (
	inkColor  = "#1f2933"
	paleColor = "#69727d"
	gridColor = "#e3e6ea"
	greyColor = "#b4bac2"
	dotColor  = "#1d6fb8"
	goalColor = "#2e8540"
	plotFont  = "font-family='DejaVu Sans, Verdana, sans-serif'"
	smallGrey = "font-size='11' fill='" + paleColor + "'"
	peerColor = "#a35a00"
)

// SVG is the result as a strip plot: a row per fault, a dot per run, the median
// as a bar, the goal as a dashed line, mysql-mmm's published range in grey.
func (r Result) SVG() string {
	rows := slices.Clone(r.Rows)
	notes := append([]string{"Black: the median. " + mmmLost}, r.conditions()...)
	if r.Routed != nil {
		rows = append(rows, r.Routed.plotted()...)
		notes = append(notes, r.Routed.conditions()...)
	}
	bottom := topMargin + len(rows)*rowHeight
	height := bottom + 44 + len(notes)*lineHeight
	var s strings.Builder
	fmt.Fprintf(&s, "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' viewBox='0 0 %d %d' %s font-size='13' fill='%s'>\n",
		plotWidth, height, plotWidth, height, plotFont, inkColor)
	fmt.Fprintf(&s, "<rect width='%d' height='%d' fill='white'/>\n", plotWidth, height)
	text(&s, 20, 32, "font-size='19' font-weight='bold'", "How long a client could not write")
	text(&s, 20, 53, "fill='"+paleColor+"'", fmt.Sprintf("an insert every %s through the writer VIP, time from the last acknowledgement to the next one, log scale", r.Every))
	legend(&s)
	axis(&s, bottom)
	for i, row := range rows {
		row.draw(&s, topMargin+i*rowHeight)
	}
	for i, line := range notes {
		text(&s, 20, bottom+52+i*lineHeight, smallGrey, line)
	}
	s.WriteString("</svg>\n")
	return s.String()
}

// xOf is where a duration lies on the axis.
func xOf(d time.Duration) float64 {
	d = min(max(d, axisMin), axisMax)
	part := math.Log(float64(d)/float64(axisMin)) / math.Log(float64(axisMax)/float64(axisMin))
	return axisLeft + part*(axisRight-axisLeft)
}

func legend(s *strings.Builder) {
	y := 76
	fmt.Fprintf(s, "<circle cx='%d' cy='%d' r='4.5' fill='%s' fill-opacity='0.65'/>\n", axisLeft, y-4, dotColor)
	text(s, axisLeft+10, y, "font-size='11'", "a run, here")
	fmt.Fprintf(s, "<line x1='%d' x2='%d' y1='%d' y2='%d' stroke='%s' stroke-width='2' stroke-dasharray='4 3'/>\n", axisLeft+100, axisLeft+100, y-12, y+3, goalColor)
	text(s, axisLeft+108, y, "font-size='11'", "goal")
	fmt.Fprintf(s, "<rect x='%d' y='%d' width='26' height='11' fill='%s'/>\n", axisLeft+160, y-10, greyColor)
	text(s, axisLeft+192, y, "font-size='11'", "mysql-mmm 2.2.1, measured the same way")
}

func axis(s *strings.Builder, bottom int) {
	ticks := []struct {
		at    time.Duration
		label string
	}{
		{10 * time.Millisecond, "10 ms"}, {30 * time.Millisecond, "30"}, {100 * time.Millisecond, "100 ms"}, {300 * time.Millisecond, "300"},
		{time.Second, "1 s"}, {3 * time.Second, "3"}, {10 * time.Second, "10 s"}, {30 * time.Second, "30"}, {60 * time.Second, "60 s"},
	}
	for _, tick := range ticks {
		fmt.Fprintf(s, "<line x1='%.1f' x2='%.1f' y1='%d' y2='%d' stroke='%s'/>\n", xOf(tick.at), xOf(tick.at), topMargin, bottom, gridColor)
		text(s, int(xOf(tick.at)), bottom+17, smallGrey+" text-anchor='middle'", tick.label)
	}
}

// draw puts a row between y and y + rowHeight.
func (r Row) draw(s *strings.Builder, y int) {
	middle := y + rowHeight/2
	fmt.Fprintf(s, "<line x1='20' x2='%d' y1='%d' y2='%d' stroke='%s'/>\n", axisRight, y, y, gridColor)
	name, detail, _ := strings.Cut(strings.TrimSuffix(r.What, ")"), " (")
	under := middle + 21
	if detail == "" {
		middle, under = middle+4, middle+16
	}
	text(s, 20, middle-9, "font-weight='bold'", name)
	text(s, 20, middle+6, smallGrey, detail)
	middle = y + rowHeight/2
	numbers := fmt.Sprintf("p50 %s, p99 %s, max %s", r.P50, r.P99, r.Max)
	if r.Acked > 0 {
		numbers += fmt.Sprintf(", lost %d", r.Lost)
	}
	text(s, 20, under, "font-size='11'", numbers)
	if r.Published.Max > 0 {
		from, to := xOf(time.Duration(r.Published.Min)), xOf(time.Duration(r.Published.Max))
		width := max(to-from, 4)
		fmt.Fprintf(s, "<rect x='%.1f' y='%d' width='%.1f' height='24' fill='%s'/>\n", from, middle-12, width, greyColor)
		text(s, int(from+width/2), middle+25, smallGrey+" text-anchor='middle'", r.Published.String())
	}
	if r.goal.limit > 0 {
		fmt.Fprintf(s, "<line x1='%.1f' x2='%.1f' y1='%d' y2='%d' stroke='%s' stroke-width='2' stroke-dasharray='4 3'/>\n",
			xOf(r.goal.limit), xOf(r.goal.limit), y+6, y+rowHeight-6, goalColor)
	}
	color := dotColor
	if r.goal.limit == 0 {
		color = peerColor
	}
	if len(r.Runs) > 0 {
		fmt.Fprintf(s, "<line x1='%.1f' x2='%.1f' y1='%d' y2='%d' stroke='%s' stroke-width='3'/>\n", xOf(time.Duration(r.P50)), xOf(time.Duration(r.P50)), middle-19, middle+19, inkColor)
	}
	for i, run := range r.Runs {
		// Five heights keep equal values apart.
		dy := (i%5 - 2) * 5
		fmt.Fprintf(s, "<circle cx='%.1f' cy='%d' r='4.5' fill='%s' fill-opacity='0.65'/>\n", xOf(time.Duration(run.Gap)), middle+dy, color)
	}
}

// text writes one line of text, escaped.
func text(s *strings.Builder, x, y int, attributes, line string) {
	fmt.Fprintf(s, "<text x='%d' y='%d' %s>", x, y, attributes)
	_ = xml.EscapeText(s, []byte(line)) // a strings.Builder takes everything
	s.WriteString("</text>\n")
}
