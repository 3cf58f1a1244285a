package route

import (
	"bytes"

	"github.com/mmm-ha/mmm/router/lexer"
)

// begins judges BEGIN. BEGIN NOT ATOMIC is a block of statements.
func (t *text) begins() {
	t.is(Begin, RuleBegin)
	if t.next() == wNot {
		t.writes(RuleCall)
		t.class.Opaque = true
	}
}

// starts judges START TRANSACTION, and what else may be started.
func (t *text) starts() {
	if t.next() != wTransaction {
		t.writes(RuleWrite)
		return
	}
	t.is(Begin, RuleBegin)
	only := false
	for t.now.Kind != lexer.End && t.now.Kind != lexer.Bad && !t.now.Is(';') {
		if t.word == wRead {
			only = t.peekIs("ONLY")
		}
		t.step()
	}
	if only { // WITH CONSISTENT SNAPSHOT is as good on a reader
		t.is(BeginReadOnly, RuleBeginReadOnly)
	}
}

// ends judges COMMIT and ROLLBACK.
func (t *text) ends(k Kind) {
	t.is(k, RuleEnd)
	t.class.Commits = k == Commit
	no := false
	for t.now.Kind != lexer.End && t.now.Kind != lexer.Bad && !t.now.Is(';') {
		switch t.word {
		case wTo:
			t.is(Ask, RuleSavepoint)
		case wNo:
			no = true
		case wChain:
			t.class.Chain = !no
			no = false
		}
		t.step()
	}
}

// sets judges SET. What servers report of it can be done again elsewhere; all else
// pins the session.
func (t *text) sets() {
	t.is(Set, RuleSet)
	switch t.next() {
	case wPassword:
		t.writes(RuleSetGlobal)
		return
	case wRole:
		t.opaque()
		return
	case wDefault:
		t.writes(RuleSetGlobal)
		return
	case wNames, wCharacter, wCharset:
		return
	case wStatement:
		t.setStatement()
		return
	case wTransaction:
		t.is(Ask, RuleSetTransaction)
		t.class.Next = true
		return
	}
	for {
		t.assignment()
		for depth := 0; depth > 0 || !t.now.Is(','); t.step() {
			switch {
			case t.now.Kind == lexer.End || t.now.Kind == lexer.Bad || t.now.Is(';'):
				return
			case t.now.Is('('):
				depth++
			case t.now.Is(')'):
				depth--
			case t.now.Kind == lexer.Assign && depth > 0:
				t.class.Pins |= UserVariables
			case t.now.Kind == lexer.Word && t.ahead.Is('('):
				t.value()
			}
		}
		t.step()
	}
}

// value looks at a function in the value of a SET.
func (t *text) value() {
	var buf [longestWord]byte
	switch functions[string(upper(&buf, t.now.Text))] {
	case locks:
		t.class.Pins |= NamedLocks
		t.class.Commits = true
	case unknownEffect:
		t.class.Opaque = t.class.Opaque || t.word != wBegets && t.word != wSelect
	}
}

// opaque is for settings that servers do not report.
func (t *text) opaque() {
	t.is(Set, RuleSetOpaque)
	t.class.Pins |= OpaqueSettings
}

// assignment looks at the left side of one assignment of SET.
func (t *text) assignment() {
	switch {
	case t.now.Kind == lexer.UserVar:
		t.class.Pins |= UserVariables
		t.class.Rule = RuleSetOpaque
	case t.now.Kind == lexer.SysVar:
		t.sysvar(t.now.Text[2:])
	case t.word == wGlobal || t.word == wPersist:
		t.class.Kind, t.class.Rule, t.class.Commits = Write, RuleSetGlobal, true
	case t.word == wSession || t.word == wLocal:
		if t.next() == wTransaction {
			return
		}
		t.named()
	default:
		t.named()
	}
}

// sysvar looks at @@x or @@scope.x, given without the marks. Without a scope
// MariaDB sets the variable and does not report it.
func (t *text) sysvar(name []byte) {
	var buf [longestWord]byte
	full := upper(&buf, name)
	switch scope, rest, ok := bytes.Cut(full, []byte(".")); {
	case full == nil || !ok:
		t.opaque()
	case string(scope) == "SESSION" || string(scope) == "LOCAL":
		t.odd(rest)
	case string(scope) == "GLOBAL" || string(scope) == "PERSIST" || string(scope) == "PERSIST_ONLY":
		t.class.Kind, t.class.Rule, t.class.Commits = Write, RuleSetGlobal, true
	default:
		t.opaque()
	}
}

func (t *text) named() {
	var buf [longestWord]byte
	switch {
	case t.now.Kind == lexer.Word:
		t.odd(upper(&buf, t.now.Text))
	case t.now.Kind == lexer.Name && len(t.now.Text) > 2:
		t.odd(upper(&buf, t.now.Text[1:len(t.now.Text)-1]))
	default:
		t.opaque()
	}
}

// odd variables hold for the next statement only, mean another thing when they
// are read than what was set, or must not be set on another server.
func (t *text) odd(name []byte) {
	switch string(name) {
	case "TIMESTAMP", "INSERT_ID", "LAST_INSERT_ID", "IDENTITY", "RAND_SEED1", "RAND_SEED2", "PSEUDO_THREAD_ID", "PSEUDO_SLAVE_MODE",
		"PSEUDO_REPLICA_MODE", "SQL_LOG_BIN", "SERVER_ID", "GTID_DOMAIN_ID", "GTID_SEQ_NO", "GTID_NEXT", "SKIP_REPLICATION",
		"SKIP_PARALLEL_REPLICATION", "SESSION_TRACK_SYSTEM_VARIABLES", "SESSION_TRACK_SCHEMA", "SESSION_TRACK_STATE_CHANGE",
		"SESSION_TRACK_TRANSACTION_INFO", "SESSION_TRACK_GTIDS", "DEBUG", "DEBUG_DBUG", "DEBUG_SYNC", "":
		t.opaque()
	}
}

// setStatement judges SET STATEMENT x=1 FOR ...: what follows is what runs.
func (t *text) setStatement() {
	depth := 0
	for t.now.Kind != lexer.End && t.now.Kind != lexer.Bad && !t.now.Is(';') {
		switch {
		case t.now.Is('('):
			depth++
		case t.now.Is(')'):
			depth--
		case t.word == wFor && depth == 0:
			t.step()
			t.statement()
			t.class.SetStatement = true
			return
		}
		t.step()
	}
	t.is(Unknown, RuleUnreadable)
	t.class.Opaque = true
}
