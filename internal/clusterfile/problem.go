package clusterfile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/token"
)

// Problem is one mistake in a cluster file. Line and Column count from 1;
// both are 0 when the mistake has no place, as in an empty file.
type Problem struct {
	Line    int
	Column  int
	Message string // one English sentence without a full stop
}

// Error is everything that is wrong with a cluster file, in the order of the
// file. It is the only kind of error that Parse returns.
type Error struct {
	Name     string // of the file, as it was given to Parse
	Problems []Problem
	lines    []string
}

// Error prints every problem with the line that it is about and a caret:
//
//	cluster.yaml:[5:17] unknown field "adress" (did you mean "address"?)
//	   4 |   - {name: db1, address: 192.0.2.11}
//	>  5 |   - {name: db2, adress: 192.0.2.12}
//	                       ^
func (e *Error) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteString("\n")
		}
		if p.Line == 0 {
			fmt.Fprintf(&b, "%s: %s", e.Name, p.Message)
			continue
		}
		fmt.Fprintf(&b, "%s:[%d:%d] %s", e.Name, p.Line, p.Column, p.Message)
		e.snippet(&b, p)
	}
	return b.String()
}

// snippet shows the line of the problem, the one before it, and a caret.
func (e *Error) snippet(b *strings.Builder, p Problem) {
	if p.Line > len(e.lines) {
		return
	}
	if p.Line > 1 {
		fmt.Fprintf(b, "\n  %2d | %s", p.Line-1, e.lines[p.Line-2])
	}
	text := e.lines[p.Line-1]
	fmt.Fprintf(b, "\n> %2d | %s", p.Line, text)
	// A tab in the text stays a tab before the caret, so that both end up in
	// the same place on any terminal.
	pad := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, string([]rune(text)[:min(p.Column-1, len([]rune(text)))]))
	fmt.Fprintf(b, "\n%s%s^", strings.Repeat(" ", len(fmt.Sprintf("> %2d | ", p.Line))), pad)
}

// collector gathers problems while a file is read.
type collector struct {
	problems []Problem
}

// add notes a problem at a place; a nil place is the file as a whole.
func (c *collector) add(at *token.Token, format string, args ...any) {
	p := Problem{Message: fmt.Sprintf(format, args...)}
	if at != nil && at.Position != nil {
		p.Line, p.Column = at.Position.Line, at.Position.Column
	}
	c.problems = append(c.problems, p)
}

// err is what was gathered, or nil.
func (c *collector) err(name string, data []byte) error {
	if len(c.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(c.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return &Error{Name: name, Problems: c.problems, lines: strings.Split(string(data), "\n")}
}
