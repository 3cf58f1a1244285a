package route

import "github.com/mmm-ha/mmm/router/lexer"

// changes judges what is not known to read.
func (t *text) changes() {
	switch t.word {
	case wInsert, wReplace, wUpdate, wDelete, wLoad:
		t.modifies()
	case wWrites, wRename:
		t.defines()
	case wAdministers, wBinlog:
		t.writes(RuleWrite)
		t.class.Ends = true
	case wAnalyze:
		t.writes(RuleAnalyze)
		t.class.Opaque, t.class.Ends = true, true
		if w := t.next(); w == wTable || w == wTables || w == wLocal || is(t.now, "NO_WRITE_TO_BINLOG") {
			t.class.Rule = RuleWrite
		}
	case wCreate, wDrop:
		t.creates()
	case wCall, wExecute:
		t.writes(RuleCall)
		t.class.Opaque = true
	case wPrepare:
		t.pinned(RulePrepare, TextPrepared)
	case wDeallocate:
		t.writes(RulePrepare)
	case wLock, wUnlock:
		t.locks()
	case wFlush, wBackup:
		t.flushes()
	case wHandler:
		t.pinned(RuleHandler, Handlers)
	case wXA:
		t.xa()
	default:
		t.is(Unknown, RuleUnknownWord)
		t.class.Commits, t.class.Opaque = true, true
		if t.now.Kind <= lexer.Bad {
			t.class.Rule = RuleUnreadable
		}
		if is(t.now, "GET") {
			t.class.Diagnoses = true
			t.class.Pins |= UserVariables
		}
	}
}

// modifies judges a statement that changes rows, and looks for what it leaves
// behind on its connection: variables, locks, and what functions do.
func (t *text) modifies() {
	first := t.word
	t.writes(RuleWrite)
	// A name before a parenthesis is a table with its columns, until there are values.
	values := first == wUpdate || first == wDelete
	for t.step(); !t.end(); t.step() {
		switch t.word {
		case wLocal:
			t.class.LoadLocal = t.class.LoadLocal || first == wLoad
		case wValues, wValue, wSet, wSelect, wWith:
			t.with = t.with || t.word == wWith
			values = true
		default:
		}
		t.leaves(values)
	}
}

// leaves notes what is left behind on the connection by what stands here.
func (t *text) leaves(calls bool) {
	switch {
	case t.now.Kind == lexer.Assign:
		t.class.Pins |= UserVariables
	case t.word == wInto && t.ahead.Kind == lexer.UserVar:
		t.class.Pins |= UserVariables
	case calls && t.ahead.Is('('):
		switch t.effect() {
		case locks:
			t.class.Pins |= NamedLocks
		case unknownEffect:
			t.class.Opaque = true
		default:
		}
	}
}

// defines judges a statement that changes definitions or grants.
func (t *text) defines() {
	t.writes(RuleDefine)
	for t.step(); !t.end(); t.step() {
		t.leaves(false)
	}
}

// creates tells temporary tables from what all servers will have.
func (t *text) creates() {
	drops := t.word == wDrop
	t.writes(RuleDefine)
	for range 4 { // CREATE OR REPLACE TEMPORARY
		if t.next() == wTemporary {
			t.writes(RuleTemporary)
			if !drops {
				t.class.Pins |= TemporaryTables
			}
		}
	}
	for ; !t.end(); t.step() {
		t.leaves(false)
	}
}

// locks judges LOCK and UNLOCK.
func (t *text) locks() {
	unlock := t.word == wUnlock
	t.writes(RuleTableLocks)
	pin := TableLocks
	if t.next(); is(t.now, "INSTANCE") {
		pin = BackupLock
	} else {
		t.class.Ends = !unlock
		if unlock {
			pin |= GlobalLock
		}
	}
	if unlock {
		t.class.Frees = pin
	} else {
		t.class.Pins = pin
	}
}

func (t *text) flushes() {
	backup := t.word == wBackup
	t.writes(RuleWrite)
	t.class.Ends = true
	if backup {
		t.pinned(RuleGlobalLock, BackupLock)
		return
	}
	for ; !t.end(); t.step() {
		if t.word == wExport || t.word == wRead {
			t.pinned(RuleGlobalLock, GlobalLock)
			return
		}
	}
}

// xa judges XA. From its begin to its end such a transaction is tied to the
// connection.
func (t *text) xa() {
	t.writes(RuleXA)
	switch t.next() {
	case wCommit, wRollback:
		t.class.Frees = XA
	default:
		if !is(t.now, "RECOVER") {
			t.class.Pins = XA
		}
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
		default:
		}
		break
	}
	if t.now.Kind != lexer.Number || t.ahead.Kind != lexer.End && !t.ahead.Is(';') {
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
