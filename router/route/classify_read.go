package route

import "github.com/mmm-ha/mmm/router/lexer"

// reads goes over a statement that begins like one that only reads.
func (t *text) reads() {
	t.is(Read, RuleRead)
	for ; !t.end(); t.step() {
		switch t.now.Kind {
		case lexer.Assign:
			t.worse(Write, RuleAssigns)
			t.class.Pins |= UserVariables
		case lexer.UserVar:
			t.worse(Ask, RuleUserVariable)
		case lexer.SysVar:
			t.variable()
		case lexer.Name:
			t.name()
		case lexer.Word:
			if t.member {
				t.name()
			} else {
				t.keyword()
			}
		default:
		}
	}
}

// rank orders judgements by strictness.
func rank(k Kind, r RuleID) int {
	switch {
	case k == Write:
		return 4
	case r == RuleInsertID: // wrong anywhere else, and nobody notices
		return 3
	case k == Last:
		return 2
	case k == Ask:
		return 1
	}
	return 0
}

// worse takes over a stricter judgement, if there is none as strict.
func (t *text) worse(k Kind, r RuleID) {
	if rank(k, r) <= rank(t.class.Kind, t.class.Rule) {
		return
	}
	t.is(k, r)
	t.class.Commits = t.class.Commits || k == Write
}

// keyword looks at a word that is no member of something.
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
	case wUpdate, wDelete, wProcedure, wLoad:
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
	case wWith:
		t.with = true
	default:
		t.name()
	}
}

// name looks at what is a name or a word without meaning of its own: at whether it
// is called, and at tables that tell of one server only.
func (t *text) name() {
	if t.catalog && t.prev.Is('.') {
		t.catalog = false
		var buf [longestWord]byte
		if !catalogTables[string(bare(&buf, t.now))] {
			t.worse(Ask, RuleServerTable)
		}
	}
	switch {
	case t.ahead.Is('('):
		t.called(t.effect())
	case t.ahead.Is('.'):
		var buf [longestWord]byte
		switch string(bare(&buf, t.now)) {
		case "INFORMATION_SCHEMA":
			t.catalog = true
		case "PERFORMANCE_SCHEMA", "MYSQL", "SYS":
			t.worse(Ask, RuleServerTable)
		}
	case t.member && (is(t.now, "NEXTVAL") || is(t.now, "CURRVAL")):
		t.worse(Write, RuleSequence) // as Oracle writes it
	}
}

// bare is a name in capitals and without quotes.
func bare(buf *[longestWord]byte, tok lexer.Token) []byte {
	if tok.Kind == lexer.Name && len(tok.Text) > 2 {
		return upper(buf, tok.Text[1:len(tok.Text)-1])
	}
	return upper(buf, tok.Text)
}

// effect is what it does to call what stands here before a parenthesis; nothing if
// the grammar puts a parenthesis there for another reason.
func (t *text) effect() effect {
	if t.now.Kind != lexer.Word && t.now.Kind != lexer.Name || t.prev.Is(')') || t.before == wAs {
		return pure // a name with columns, or a type
	}
	if t.now.Kind == lexer.Word && !t.member {
		if beforeParenthesis[t.word] {
			return pure
		}
		var buf [longestWord]byte
		f, known := functions[string(upper(&buf, t.now.Text))]
		if known && f.builtIn(t.mode) && (!f.close || t.mode&lexer.IgnoreSpace != 0 || t.now.Meets(t.ahead)) {
			return f.effect
		}
	}
	if t.with && t.columns() {
		return pure
	}
	return unknownEffect
}

// columns reports whether the parenthesis ahead holds the columns of a common
// table expression: names, then AS and another parenthesis.
func (t *text) columns() bool {
	look := t.scan
	for {
		if name := look.Next(); name.Kind != lexer.Word && name.Kind != lexer.Name {
			return false
		}
		if next := look.Next(); next.Is(')') {
			return is(look.Next(), "AS") && look.Next().Is('(')
		} else if !next.Is(',') {
			return false
		}
	}
}

// called takes the effect of a call over.
func (t *text) called(e effect) {
	switch e {
	case pure:
	case ofLast:
		t.worse(Last, RuleLast)
	case ofInsert:
		t.worse(Ask, RuleInsertID)
	case ofServer:
		t.worse(Ask, RuleServerFunction)
	case asksLocks:
		t.worse(Write, RuleNamedLock)
	case locks:
		t.worse(Write, RuleNamedLock)
		t.class.Pins |= NamedLocks
	case unlocks:
		t.worse(Write, RuleNamedLock)
		if t.class.Pins&NamedLocks == 0 {
			t.class.Frees |= NamedLocks
		}
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
	case "@@WARNING_COUNT", "@@ERROR_COUNT", "@@SESSION.WARNING_COUNT", "@@SESSION.ERROR_COUNT",
		"@@LOCAL.WARNING_COUNT", "@@LOCAL.ERROR_COUNT":
		t.worse(Last, RuleLast)
	case "@@LAST_INSERT_ID", "@@IDENTITY", "@@SESSION.LAST_INSERT_ID", "@@SESSION.IDENTITY",
		"@@LOCAL.LAST_INSERT_ID", "@@LOCAL.IDENTITY":
		t.worse(Ask, RuleInsertID)
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
	for t.step(); t.word == wFull || is(t.now, "EXTENDED") || is(t.now, "STORAGE"); {
		t.step()
	}
	switch t.word {
	case wWarnings, wErrors, wCount:
		t.is(Last, RuleLast)
	case wShowable, wTables, wCreate, wCharacter, wCharset:
		t.is(Read, RuleShow)
	case wTable, wProcedure:
		if t.peekIs("STATUS") {
			t.is(Read, RuleShow)
		}
	case other:
		if is(t.now, "FUNCTION") && t.peekIs("STATUS") || is(t.now, "PACKAGE") {
			t.is(Read, RuleShow)
		}
	default:
	}
	for ; !t.end(); t.step() {
		if t.ahead.Is('(') && t.word != wCount {
			t.called(t.effect())
		}
	}
}
