package route

import "github.com/mmm-ha/mmm/router/lexer"

// reads goes over a statement that begins like one that only reads.
func (t *text) reads() {
	t.is(Read, RuleRead)
	qualified := false
	for t.now.Kind != lexer.End && t.now.Kind != lexer.Bad && !t.now.Is(';') {
		switch t.now.Kind {
		case lexer.Assign:
			t.worse(Write, RuleAssigns)
			t.class.Pins |= UserVariables
		case lexer.SysVar:
			t.variable()
		case lexer.Name:
			if t.ahead.Is('(') {
				t.called(unknownEffect)
			}
		case lexer.Word:
			if qualified { // a name, whatever it says
				if t.ahead.Is('(') {
					t.called(unknownEffect)
				}
			} else {
				t.keyword()
			}
		}
		qualified = t.now.Is('.')
		t.step()
	}
}

// worse takes over a stricter judgement, if there is none as strict.
func (t *text) worse(k Kind, r RuleID) {
	if t.class.Kind == Write || t.class.Kind == Last && k == Ask {
		return
	}
	t.is(k, r)
	t.class.Commits = t.class.Commits || k == Write
}

// keyword looks at a word that is not part of a qualified name.
func (t *text) keyword() {
	switch t.word {
	case wFor:
		if t.peekIs("UPDATE") || t.peekIs("SHARE") {
			t.worse(Write, RuleLocking)
		}
		if t.peekIs("CONNECTION") {
			t.worse(Ask, RuleShowHere)
		}
	case wLock:
		t.worse(Write, RuleLocking)
	case wInto:
		t.worse(Write, RuleInto)
		if t.ahead.Kind == lexer.UserVar {
			t.class.Pins |= UserVariables
		}
	case wUpdate, wDelete:
		t.worse(Write, RuleChanges)
	case wProcedure, wLoad:
		t.worse(Write, RuleChanges)
	case wInsert, wReplace:
		if !t.ahead.Is('(') {
			t.worse(Write, RuleChanges)
		}
	case wNext, wPrevious:
		if t.peekIs("VALUE") {
			t.worse(Write, RuleSequence)
		}
	case wSQLCalcFoundRows:
		t.worse(Ask, RuleFoundRows)
	default:
		if t.ahead.Is('(') && t.word != wBegets {
			t.function()
		}
	}
}

// peekIs reports whether the next token is that word, in capitals.
func (t *text) peekIs(w string) bool {
	var buf [longestWord]byte
	return t.ahead.Kind == lexer.Word && string(upper(&buf, t.ahead.Text)) == w
}

// function looks at a word before a parenthesis.
func (t *text) function() {
	switch t.word {
	case wSelect, wValues, wTable, wWith, wBy, wAll, wNot, wUse, wFor, wEnd, wBinary, wValue:
		return
	}
	var buf [longestWord]byte
	t.called(functions[string(upper(&buf, t.now.Text))])
}

func (t *text) called(e effect) {
	switch e {
	case pure:
	case ofLast:
		t.worse(Last, RuleLast)
	case ofServer:
		t.worse(Ask, RuleServerVariable)
	case locks:
		t.worse(Write, RuleNamedLock)
		t.class.Pins |= NamedLocks
	case draws:
		t.worse(Write, RuleSequence)
	default:
		t.worse(Write, RuleFunction)
		t.class.Opaque = true
	}
}

// variable looks at @@x.
func (t *text) variable() {
	var buf [longestWord]byte
	switch string(upper(&buf, t.now.Text)) {
	case "@@WARNING_COUNT", "@@ERROR_COUNT", "@@LAST_INSERT_ID", "@@IDENTITY",
		"@@SESSION.LAST_INSERT_ID", "@@SESSION.IDENTITY", "@@SESSION.WARNING_COUNT", "@@SESSION.ERROR_COUNT":
		t.worse(Last, RuleLast)
	default:
		t.worse(Ask, RuleServerVariable)
	}
}

// explains judges DESC, DESCRIBE and EXPLAIN.
func (t *text) explains() {
	t.step()
	if t.word == wAnalyze {
		t.writes(RuleAnalyze)
		t.class.Opaque = true
		return
	}
	t.reads()
}

// shows judges SHOW.
func (t *text) shows() {
	t.is(Ask, RuleShowHere)
	switch t.next() {
	case wWarnings, wErrors, wCount:
		t.is(Last, RuleLast)
	case wShowable, wTables, wCreate, wCharacter, wCharset:
		t.is(Read, RuleShow)
	case wFull, wTable:
		if w := t.next(); w == wTables || w == wShowable || string(t.now.Text) == "STATUS" || string(t.now.Text) == "status" {
			t.is(Read, RuleShow)
		}
	}
	for t.now.Kind != lexer.End && t.now.Kind != lexer.Bad && !t.now.Is(';') {
		if t.ahead.Is('(') && t.now.Kind == lexer.Word && t.word != wBegets {
			t.function()
		}
		t.step()
	}
}
