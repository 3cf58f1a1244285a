package route

import (
	"bytes"

	"github.com/mmm-ha/mmm/router/lexer"
)

// text is a statement that is looked at, one token ahead.
type text struct {
	scan  lexer.Scanner
	now   lexer.Token
	ahead lexer.Token
	word  word // of now, when it is a Word
	class Class
}

// Classify says what the text of a statement is. It looks at no more of it than it
// needs, and allocates nothing.
func Classify(sql []byte, m lexer.Mode) Class {
	var t text
	t.scan.Reset(sql, m)
	t.ahead = t.scan.Next()
	t.step()
	t.statement()
	several := t.class
	for t.after() {
		t.class = Class{}
		t.statement()
		several.join(t.class)
	}
	if t.now.Kind == lexer.Bad && several.Kind != Write {
		return Class{Kind: Unknown, Rule: RuleUnreadable, Commits: true, Opaque: true}
	}
	several.Hint = hint(t.scan.Comment)
	if t.scan.Executable && (several.Kind == Read || several.Kind == BeginReadOnly) {
		several.Kind, several.Rule = Ask, RuleExecutable
	}
	return several
}

// join adds another statement of the same text.
func (c *Class) join(d Class) {
	c.Multi, c.Kind, c.Rule = true, Write, RuleMulti
	c.Pins |= d.Pins
	c.Frees = 0
	c.Commits = true
	c.Opaque = c.Opaque || d.Opaque
	c.SetStatement = c.SetStatement || d.SetStatement
	c.Next = c.Next || d.Next
}

// after goes on to the next of several statements, if there is one.
func (t *text) after() bool {
	for t.now.Kind != lexer.End && t.now.Kind != lexer.Bad && !t.now.Is(';') {
		t.step()
	}
	for t.now.Is(';') {
		t.step()
	}
	return t.now.Kind != lexer.End && t.now.Kind != lexer.Bad
}

func (t *text) step() {
	t.now = t.ahead
	if t.now.Kind != lexer.End && t.now.Kind != lexer.Bad {
		t.ahead = t.scan.Next()
	}
	t.word = other
	if t.now.Kind == lexer.Word {
		var buf [longestWord]byte
		t.word = words[string(upper(&buf, t.now.Text))]
	}
}

// next steps and returns the keyword that comes then.
func (t *text) next() word {
	t.step()
	return t.word
}

func (t *text) is(k Kind, r RuleID) { t.class.Kind, t.class.Rule = k, r }

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

// changes judges what is not known to read.
func (t *text) changes() {
	switch t.word {
	case wInsert, wReplace:
		t.inserts()
	case wUpdate, wDelete, wWrites, wLoad, wAnalyze, wRename, wBinlog:
		t.writes(RuleWrite)
		t.class.Opaque = t.word == wAnalyze
	case wCreate, wDrop:
		t.creates()
	case wCall, wExecute:
		t.writes(RuleCall)
		t.class.Opaque = true
	case wPrepare, wDeallocate:
		t.pinned(RulePrepare, TextPrepared)
	case wLock:
		t.pinned(RuleTableLocks, TableLocks)
	case wUnlock:
		t.writes(RuleTableLocks)
		t.class.Frees = TableLocks | GlobalLock
	case wFlush, wBackup:
		t.flushes()
	case wHandler:
		t.pinned(RuleHandler, Handlers)
	case wXA:
		t.pinned(RuleXA, XA)
	default:
		t.is(Unknown, RuleUnknownWord)
		t.class.Commits, t.class.Opaque = true, true
		if t.now.Kind == lexer.End || t.now.Kind == lexer.Bad {
			t.class.Rule = RuleUnreadable
		}
	}
}

// inserts judges INSERT and REPLACE: their words are not looked at, but for what
// would leave something behind.
func (t *text) inserts() {
	t.writes(RuleWrite)
	t.sideEffects()
}

// sideEffects looks for assignments in the rest of a statement that writes.
func (t *text) sideEffects() {
	for t.now.Kind != lexer.End && t.now.Kind != lexer.Bad && !t.now.Is(';') {
		if t.now.Kind == lexer.Assign {
			t.class.Pins |= UserVariables
			return
		}
		t.step()
	}
}

// creates tells temporary tables from what all servers will have.
func (t *text) creates() {
	t.writes(RuleWrite)
	switch t.next() {
	case wTemporary:
		t.pinned(RuleTemporary, TemporaryTables)
	case other:
		// CREATE OR REPLACE TEMPORARY
		for range 3 {
			if t.next() == wTemporary {
				t.pinned(RuleTemporary, TemporaryTables)
				return
			}
		}
	}
}

func (t *text) flushes() {
	backup := t.word == wBackup
	t.writes(RuleWrite)
	for t.now.Kind != lexer.End && t.now.Kind != lexer.Bad && !t.now.Is(';') {
		if backup || t.word == wExport || t.word == wRead {
			t.pinned(RuleGlobalLock, GlobalLock)
			return
		}
		t.step()
	}
}

func (t *text) kills() {
	t.is(Kill, RuleKill)
	for {
		switch t.next() {
		case wHard, wSoft, wConnection:
			continue
		case wQuery:
			t.class.KillQuery = true
			continue
		}
		break
	}
	if t.now.Kind != lexer.Number || t.ahead.Kind != lexer.End {
		return
	}
	for _, c := range t.now.Text {
		if c < '0' || c > '9' || t.class.KillID > 1<<40 {
			t.class.KillID = 0
			return
		}
		t.class.KillID = t.class.KillID*10 + uint64(c-'0')
	}
}

var hints = []struct {
	text string
	hint Hint
}{
	{"mmm:writer", ToWriter}, {"mmm:reader", ToReader},
	{"master", ToWriter}, {"isRead=false", ToWriter}, {"isread=false", ToWriter},
}

// hint reads a comment that is nothing but a hint.
func hint(comment []byte) Hint {
	if len(comment) < 4 {
		return NoHint
	}
	comment = bytes.TrimSuffix(bytes.TrimPrefix(comment, []byte("/*")), []byte("*/"))
	comment = bytes.TrimSpace(bytes.TrimLeft(comment, "-#"))
	for _, h := range hints {
		if string(comment) == h.text {
			return h.hint
		}
	}
	return NoHint
}
