package route

import (
	"strings"

	"github.com/mmm-ha/mmm/router/lexer"
)

// Variables calls found for every user variable that stands in a statement, with its
// name in small letters and without quotes, and whether it is set there or read. It is
// for sessions that have variables on more than one server, which is rare.
func Variables(sql []byte, m lexer.Mode, found func(name string, set bool)) {
	var t text
	t.begin(sql, m)
	into, setting, depth := false, false, 0
	for ; t.now.Kind > lexer.Bad; t.step() {
		if t.prev.Kind == lexer.End || t.prev.Is(';') {
			setting, depth = t.word == wSet, 0
		}
		switch {
		case t.now.Kind == lexer.UserVar:
			left := setting && depth == 0 && t.ahead.Is('=') && (t.before == wSet || t.prev.Is(','))
			found(variableName(string(t.now.Text)), into || left || t.ahead.Kind == lexer.Assign)
		case t.now.Is(','):
		case t.now.Is('('):
			depth++
		case t.now.Is(')'):
			depth--
		default:
			into = t.word == wInto
		}
	}
}

// variableName is the name in @x, @'x', @"x" or @`x`.
func variableName(text string) string {
	name := text[1:]
	if len(name) > 1 && strings.IndexByte("'\"`", name[0]) >= 0 {
		quote := name[:1]
		name = strings.ReplaceAll(name[1:len(name)-1], quote+quote, quote)
	}
	return strings.ToLower(name)
}
