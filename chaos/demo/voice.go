package demo

import (
	"fmt"
	"strings"
	"time"
)

// The escape sequences of a terminal that wants them.
const (
	bold  = "\x1b[1m"
	dim   = "\x1b[2m"
	red   = "\x1b[1;31m"
	green = "\x1b[32m"
	cyan  = "\x1b[36m"
	reset = "\x1b[0m"
)

// voice says lines: one call of print per line, without a newline.
type voice struct {
	print func(line string)
	color bool
	began time.Time
}

func (v voice) paint(code, s string) string {
	if !v.color || s == "" {
		return s
	}
	return code + s + reset
}

// heading opens a chapter.
func (v voice) heading(s string) {
	v.print("")
	v.print(v.paint(bold, fmt.Sprintf("%s  [%.0f s]", s, time.Since(v.began).Seconds())))
}

// text says a sentence or more; each line of s becomes a line.
func (v voice) text(s string) { v.block("   ", s) }

// act says what is done to the cluster.
func (v voice) act(format string, args ...any) {
	v.print(v.paint(cyan, " > "+fmt.Sprintf(format, args...)))
}

// command shows a command line and what it printed.
func (v voice) command(line, output string) {
	v.print(v.paint(dim, "   $ "+line))
	v.block("   ", output)
}

// good and bad say how a check went.
func (v voice) good(s string) { v.print(v.paint(green, "   ok   ") + s) }

func (v voice) bad(says, saw string) {
	v.print(v.paint(red, "   NOT  ") + says)
	v.print("        seen: " + saw)
}

// gap says for how long the application had no answer, and which errors it saw.
func (v voice) gap(s seen) {
	v.print(v.paint(bold, fmt.Sprintf("   gap  for %d ms no write was acknowledged, and one connection waited %d ms for a read;", s.write.Milliseconds(), s.read.Milliseconds())))
	v.print(v.paint(bold, "        "+s.String()))
}

func (v voice) block(indent, s string) {
	for line := range strings.Lines(s) {
		v.print(strings.TrimRight(indent+strings.TrimRight(line, "\n"), " "))
	}
}
