package route

// RuleID names a row of Rules.
type RuleID uint8

// The rules, in the order of the table.
const (
	ruleNone RuleID = iota
	RuleUnreadable
	RuleExecutable
	RuleUnknownWord
	RuleMulti
	RuleLocking
	RuleInto
	RuleAssigns
	RuleUserVariable
	RuleFunction
	RuleLast
	RuleInsertID
	RuleNamedLock
	RuleSequence
	RuleServerVariable
	RuleServerFunction
	RuleServerTable
	RuleFoundRows
	RuleChanges
	RuleAnalyze
	RuleRead
	RuleShowHere
	RuleShow
	RuleUse
	RuleSet
	RuleSetOpaque
	RuleSetGlobal
	RuleSetTransaction
	RuleBegin
	RuleBeginReadOnly
	RuleEnd
	RuleSavepoint
	RuleTemporary
	RuleTableLocks
	RuleGlobalLock
	RuleHandler
	RuleXA
	RulePrepare
	RuleCall
	RuleKill
	RuleDefine
	RuleWrite
)

// Rule is one row of the table: which statements it is about, and where they go
// outside of transactions and without pins.
type Rule struct {
	ID      RuleID
	Name    string
	Target  Target
	Doc     string // why
	Example string
}

// Rules is the table. A statement is judged by what is met first in it, and by the
// strictest of the rules that fit.
var Rules = []Rule{
	{RuleUnreadable, "unreadable", Writer, "a string, name or comment has no end, or the text is empty", "SELECT 'a"},
	{RuleExecutable, "executable-comment", Writer, "a comment is code for some servers and none for others", "SELECT 1 /*!80000 + 1 */"},
	{RuleUnknownWord, "unknown-word", Writer, "the first word begins no statement that is known to read", "FROBNICATE t"},
	{RuleMulti, "several-statements", Writer, "it is several statements", "SELECT 1; SELECT 2"},
	{RuleLocking, "locks-rows", Writer, "it locks rows", "SELECT * FROM t FOR UPDATE"},
	{RuleInto, "into", Writer, "it stores its result", "SELECT a INTO @b FROM t"},
	{RuleAssigns, "assigns", Writer, "it assigns a user variable", "SELECT @a := 1"},
	{RuleUserVariable, "user-variable", Writer, "it reads a user variable, which a trigger or a procedure may have set without a word", "SELECT @a"},
	{RuleFunction, "function", Writer, "it calls a function that is not known to be without effect", "SELECT shop.next_number()"},
	{RuleLast, "last", SameAsLast, "it asks for what the statement before left behind", "SHOW WARNINGS"},
	{RuleInsertID, "insert-id", Writer, "it asks for the number of the last insert, which was on the writer", "SELECT LAST_INSERT_ID()"},
	{RuleNamedLock, "named-lock", Writer, "it takes or asks for a named lock", "SELECT GET_LOCK('a', 1)"},
	{RuleSequence, "sequence", Writer, "it draws from a sequence", "SELECT NEXT VALUE FOR s"},
	{RuleServerVariable, "server-variable", Writer, "it asks for a variable of the server, which clients ask to know whom they write to", "SELECT @@hostname"},
	{RuleServerFunction, "server-function", Writer, "it calls a function that tells of one server or one connection", "SELECT CONNECTION_ID()"},
	{RuleServerTable, "server-table", Writer, "it reads a table that tells of one server", "SELECT * FROM information_schema.processlist"},
	{RuleFoundRows, "found-rows", Writer, "FOUND_ROWS() will be asked of the same server", "SELECT SQL_CALC_FOUND_ROWS a FROM t LIMIT 1"},
	{RuleChanges, "changes-within", Writer, "a part of it changes data", "WITH a AS (SELECT 1) DELETE FROM t"},
	{RuleAnalyze, "analyze", Writer, "it runs what it explains", "EXPLAIN ANALYZE SELECT 1"},
	{RuleRead, "read", Reader, "it only reads", "SELECT a FROM t"},
	{RuleShowHere, "show-server", Writer, "it shows something of the one server", "SHOW PROCESSLIST"},
	{RuleShow, "show", Reader, "it shows what all servers have", "SHOW TABLES"},
	{RuleUse, "use", Writer, "it changes the schema; the reader follows before its next read", "USE shop"},
	{RuleSet, "set", Writer, "it sets variables of the session; the reader follows before its next read", "SET sql_mode = ''"},
	{RuleSetOpaque, "set-opaque", Writer, "it sets what servers do not report", "SET @a = 1"},
	{RuleSetGlobal, "set-global", Writer, "it sets something for the whole server", "SET GLOBAL max_connections = 10"},
	{RuleSetTransaction, "set-transaction", Writer, "it is for the next transaction", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"},
	{RuleBegin, "begin", Writer, "it begins a transaction that may write", "BEGIN"},
	{RuleBeginReadOnly, "begin-read-only", Reader, "it begins a transaction that only reads; all of it stays on one reader", "START TRANSACTION READ ONLY"},
	{RuleEnd, "end", Writer, "it ends a transaction", "COMMIT"},
	{RuleSavepoint, "savepoint", Writer, "it is about a part of a transaction", "SAVEPOINT a"},
	{RuleTemporary, "temporary-table", Writer, "temporary tables exist on one connection only", "CREATE TEMPORARY TABLE t (a INT)"},
	{RuleTableLocks, "table-locks", Writer, "it locks tables", "LOCK TABLES t READ"},
	{RuleGlobalLock, "global-lock", Writer, "it locks the server", "FLUSH TABLES WITH READ LOCK"},
	{RuleHandler, "handler", Writer, "handlers exist on one connection only", "HANDLER t OPEN"},
	{RuleXA, "xa", Writer, "it is about an XA transaction", "XA START 'a'"},
	{RulePrepare, "prepare", Writer, "statements prepared by SQL exist on one connection only", "PREPARE s FROM 'SELECT 1'"},
	{RuleCall, "call", Writer, "what a procedure does cannot be seen in the call", "CALL p()"},
	{RuleKill, "kill", Writer, "it ends a session; its number is the router's", "KILL 7"},
	{RuleDefine, "define", Writer, "it changes what there is, or who may do what; an open transaction is committed first", "ALTER TABLE t ADD b INT"},
	{RuleWrite, "write", Writer, "it writes", "INSERT INTO t VALUES (1)"},
}

// Rule is the row of an id.
func (id RuleID) Rule() Rule {
	if id == ruleNone || int(id) > len(Rules) {
		return Rule{Name: "none", Target: Writer, Doc: "nothing is known of it"}
	}
	return Rules[id-1]
}
