package route

import (
	"bytes"

	"github.com/mmm-ha/mmm/router/lexer"
)

// text is a statement that is looked at, one token ahead.
type text struct {
	scan   lexer.Scanner
	mode   lexer.Mode
	prev   lexer.Token // before now; none at the begin of a statement
	now    lexer.Token
	ahead  lexer.Token
	before word // of prev
	word   word // of now, when it is a Word and no member
	member bool // now follows a dot: a name, whatever it says
	with   bool // there was a WITH

	catalog bool // INFORMATION_SCHEMA stood before the dot

	steps int
	class Class
	cause int // where the token stands that decided
}

// Classify says what the text of a statement is. It allocates nothing.
func Classify(sql []byte, m lexer.Mode) Class {
	var t text
	t.begin(sql, m)
	return t.all()
}

func (t *text) begin(sql []byte, m lexer.Mode) {
	t.mode = m
	t.scan.Reset(sql, m)
	t.ahead = t.scan.Next()
	t.hinted()
	t.step()
}

// all judges all statements of the text.
func (t *text) all() Class {
	hints := t.class.Hint
	t.class = Class{}
	t.statement()
	all := t.class
	for t.after() {
		t.class = Class{}
		t.with = false
		t.statement()
		all.join(t.class)
	}
	if t.now.Kind == lexer.Bad {
		all.unreadable()
	}
	all.Hint = max(hints, t.class.Hint)
	if t.scan.Executable {
		all.executable()
	}
	return all
}

// unreadable is for a text that breaks off: what follows is not known.
func (c *Class) unreadable() {
	c.Opaque, c.Commits, c.Frees = true, true, 0
	if c.Kind != Write {
		c.Kind, c.Rule = Unknown, RuleUnreadable
	}
}

// executable is for a text with a part that some servers execute and some do not:
// it is no read.
func (c *Class) executable() {
	switch c.Kind {
	case Read, Last:
		c.Kind, c.Rule, c.Opaque = Ask, RuleExecutable, true
	case BeginReadOnly:
		c.Kind, c.Rule = Begin, RuleExecutable
	default:
	}
	c.Frees = 0
}

// join adds another statement of the same text.
func (c *Class) join(d Class) {
	c.Changes = c.Changes || c.changes() || d.changes()
	if c.Kind == Kill || d.Kind == Kill {
		c.Kind, c.Rule, c.KillID = Kill, RuleKill, 0
	} else {
		c.Kind, c.Rule = Write, RuleMulti
	}
	c.Multi, c.Commits, c.Frees = true, true, 0
	c.Pins |= d.Pins
	c.Opaque = c.Opaque || d.Opaque
	c.SetStatement = c.SetStatement || d.SetStatement
	c.Next = c.Next || d.Next
	c.Ends = c.Ends || d.Ends
	c.LoadLocal = c.LoadLocal || d.LoadLocal
}

// changes reports whether a single statement writes, as far as is known.
func (c *Class) changes() bool { return c.Kind == Unknown || c.Kind == Write && c.Rule != RuleMulti }

// after goes on to the next of several statements, if there is one.
func (t *text) after() bool {
	for !t.end() {
		t.step()
	}
	for t.now.Is(';') {
		t.step()
	}
	t.prev, t.before = lexer.Token{}, other
	return t.now.Kind > lexer.Bad
}

// end reports whether the statement ends here.
func (t *text) end() bool { return t.now.Kind <= lexer.Bad || t.now.Is(';') }

func (t *text) step() {
	t.prev, t.before = t.now, t.word
	t.now = t.ahead
	if t.now.Kind > lexer.Bad {
		t.ahead = t.scan.Next()
		if t.steps++; t.steps == 1 {
			t.hinted()
		}
	}
	t.word, t.member = other, false
	if t.now.Kind != lexer.Word {
		return
	}
	if t.prev.Is('.') && t.prev.Meets(t.now) {
		t.member = true
		return
	}
	t.word = keywordOf(t.now.Text)
}

// next steps and returns the keyword that comes then.
func (t *text) next() word {
	t.step()
	return t.word
}

// peekIs reports whether the next token is that word, in capitals.
func (t *text) peekIs(w string) bool { return is(t.ahead, w) }

// is reports whether a token is that word, in capitals.
func is(tok lexer.Token, w string) bool {
	return tok.Kind == lexer.Word && len(tok.Text) == len(w) && sameWord(tok.Text, w)
}

func (t *text) is(k Kind, r RuleID) {
	t.class.Kind, t.class.Rule = k, r
	t.cause = int(t.now.At)
}

// writes is for what changes data, or may.
func (t *text) writes(r RuleID) {
	t.is(Write, r)
	t.class.Commits = true
}

// pinned is for what leaves something behind on the connection.
func (t *text) pinned(r RuleID, p Pin) {
	t.writes(r)
	t.class.Pins |= p
}

// statement judges the statement that begins here.
func (t *text) statement() {
	for t.now.Is('(') {
		t.step()
	}
	switch t.word {
	case wSelect, wValues, wTable, wWith, wDo, wHelp, wChecksum:
		t.reads()
	case wDesc, wExplain:
		t.explains()
	case wShow:
		t.shows()
	case wUse:
		t.is(Use, RuleUse)
	case wSet:
		t.sets()
	case wBegin:
		t.begins()
	case wStart:
		t.starts()
	case wCommit:
		t.ends(Commit)
	case wRollback:
		t.ends(Rollback)
	case wSavepoint, wRelease:
		t.is(Ask, RuleSavepoint)
	case wKill:
		t.kills()
	default:
		t.changes()
	}
}

var hints = []struct {
	text string
	hint Hint
}{
	{"mmm:writer", ToWriter}, {"mmm:reader", ToReader},
	{"master", ToWriter}, {"isRead=false", ToWriter}, {"isread=false", ToWriter},
}

// hinted reads the comments that stand before what was looked at last. One that is
// nothing but a hint is one; the strictest of several holds.
func (t *text) hinted() {
	for left := t.scan.Comment; len(left) > 0; {
		end := len(left)
		if n := bytes.Index(left, []byte("*/")); n >= 0 {
			end = n + 2
		}
		if n := bytes.IndexByte(left, '\n'); n >= 0 && n < end && left[0] != '/' {
			end = n + 1
		}
		comment := bytes.TrimSuffix(bytes.TrimPrefix(bytes.TrimSpace(left[:end]), []byte("/*")), []byte("*/"))
		comment = bytes.TrimSpace(bytes.TrimLeft(comment, "-#+"))
		for _, h := range hints {
			if string(comment) == h.text && (t.class.Hint == NoHint || h.hint == ToWriter) {
				t.class.Hint = h.hint
			}
		}
		left = bytes.TrimSpace(left[end:])
	}
}
