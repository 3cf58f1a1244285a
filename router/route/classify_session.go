package route

import (
	"bytes"

	"github.com/mmm-ha/mmm/router/lexer"
)

// begins judges BEGIN. What follows it, but for WORK, makes it a block.
func (t *text) begins() {
	t.is(Begin, RuleBegin)
	t.class.Ends = true
	if t.step(); is(t.now, "WORK") {
		t.step()
	}
	if !t.end() {
		t.writes(RuleCall)
		t.class.Opaque = true
	}
}

// starts judges START TRANSACTION, and what else may be started.
func (t *text) starts() {
	if t.next() != wTransaction {
		t.writes(RuleWrite)
		t.class.Ends = true
		return
	}
	t.is(Begin, RuleBegin)
	t.class.Ends = true
	only := false
	for ; !t.end(); t.step() {
		if t.word == wRead {
			only = t.peekIs("ONLY")
		}
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
	for ; !t.end(); t.step() {
		switch t.word {
		case wTo:
			t.is(Ask, RuleSavepoint)
		case wNo:
			no = true
		case wChain:
			t.class.Chain = !no
			no = false
		case wRelease:
			t.class.Releases = !no
		default:
		}
	}
}

// sets judges SET. What servers report of it can be done again elsewhere; all else
// pins the session.
func (t *text) sets() {
	t.is(Set, RuleSet)
	switch t.next() {
	case wPassword, wDefault:
		t.writes(RuleSetGlobal)
		return
	case wRole:
		t.opaque()
		return
	case wStatement:
		t.setStatement()
		return
	case wTransaction:
		t.is(Ask, RuleSetTransaction)
		t.class.Next = true
		return
	default:
	}
	for !t.end() {
		t.assignment()
		t.value()
		t.step() // the comma
	}
}

// value goes to the comma behind what is assigned, and looks for what that leaves
// behind.
func (t *text) value() {
	for depth := 0; !t.end() && (depth > 0 || !t.now.Is(',')); t.step() {
		switch {
		case t.now.Is('('):
			depth++
		case t.now.Is(')'):
			depth--
		case t.now.Kind == lexer.UserVar && t.ahead.Kind == lexer.Assign, t.word == wInto && t.ahead.Kind == lexer.UserVar:
			t.class.Pins |= UserVariables
		case t.now.Kind == lexer.Word && t.peekIs("COLLATE"), t.now.Kind == lexer.Text && t.peekIs("COLLATE"):
			t.class.Collates = true
		case t.ahead.Is('('):
			switch t.effect() {
			case locks:
				t.class.Pins |= NamedLocks
			case draws, unknownEffect:
				t.class.Commits, t.class.Opaque = true, true
			default:
			}
		}
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
	case t.word == wCharacter || t.word == wCharset:
		t.class.Collates = true
	case t.word == wNames:
		t.class.Names = true
	case t.word == wTransaction:
	case t.word == wSession || t.word == wLocal:
		if t.next() != wTransaction {
			t.named()
		}
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
	case string(full) == "AUTOCOMMIT": // the server says it with every answer
		t.odd(full)
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
	case "AUTOCOMMIT":
		t.class.Commits = true // 1 commits what is open
	case "TIMESTAMP", "INSERT_ID", "LAST_INSERT_ID", "IDENTITY", "RAND_SEED1", "RAND_SEED2", "PSEUDO_THREAD_ID", "PSEUDO_SLAVE_MODE",
		"PSEUDO_REPLICA_MODE", "SQL_LOG_BIN", "SERVER_ID", "GTID_DOMAIN_ID", "GTID_SEQ_NO", "GTID_NEXT", "SKIP_REPLICATION",
		"SKIP_PARALLEL_REPLICATION", "SESSION_TRACK_SYSTEM_VARIABLES", "SESSION_TRACK_SCHEMA", "SESSION_TRACK_STATE_CHANGE",
		"SESSION_TRACK_TRANSACTION_INFO", "SESSION_TRACK_GTIDS", "PROFILING", "OPTIMIZER_TRACE", "RESOURCE", "DEBUG", "DEBUG_DBUG", "DEBUG_SYNC", "":
		t.opaque()
	}
}

// setStatement judges SET STATEMENT x=1 FOR ...: what follows is what runs.
func (t *text) setStatement() {
	opaque, depth := false, 0
	for ; !t.end(); t.step() {
		switch {
		case t.now.Is('('):
			opaque = true // who computes there may do anything
			depth++
		case t.now.Is(')'):
			depth--
		case t.now.Kind == lexer.Assign && t.prev.Kind == lexer.UserVar:
			opaque = true
		case t.word == wFor && depth == 0:
			t.step()
			t.statement()
			t.class.SetStatement = true
			if opaque {
				t.class.Opaque = true
				t.worse(Write, RuleFunction)
			}
			return
		}
	}
	t.is(Unknown, RuleUnreadable)
	t.class.Opaque = true
}
