package route

// word is a keyword that says something here.
type word uint8

// The keywords.
const (
	other word = iota
	wAll
	wAnalyze
	wBackup
	wBegin
	wBinary
	wBinlog
	wBy
	wCall
	wChain
	wChecksum
	wCommit
	wCount
	wCreate
	wDeallocate
	wDelete
	wDesc
	wDo
	wDrop
	wEnd
	wErrors
	wExecute
	wExplain
	wExport
	wFlush
	wFor
	wFull
	wGlobal
	wHandler
	wHelp
	wInsert
	wInto
	wKill
	wLoad
	wLocal
	wLock
	wNames
	wNext
	wNo
	wNot
	wOnly
	wPrepare
	wPrevious
	wProcedure
	wQuery
	wRead
	wRelease
	wReplace
	wRollback
	wSavepoint
	wSelect
	wSession
	wSet
	wShare
	wShow
	wSQLCalcFoundRows
	wStart
	wStatement
	wTable
	wTables
	wTemporary
	wTo
	wTransaction
	wUnlock
	wUpdate
	wUse
	wValue
	wValues
	wWarnings
	wWith
	wXA
	wPassword
	wRole
	wDefault
	wPersist
	wCharacter
	wCharset
	wShowable // what all servers show alike
	wWrites   // begins a statement that writes
	wBegets   // a keyword that may stand before a parenthesis and calls nothing
	wConnection
	wHard
	wSoft
	wRename
)

var words = map[string]word{
	"ALL": wAll, "ANALYZE": wAnalyze, "BACKUP": wBackup, "BEGIN": wBegin, "BINARY": wBinary, "BINLOG": wBinlog, "BY": wBy,
	"CALL": wCall, "CHAIN": wChain, "CHECKSUM": wChecksum, "COMMIT": wCommit, "COUNT": wCount, "CREATE": wCreate,
	"DEALLOCATE": wDeallocate, "DELETE": wDelete, "DESC": wDesc, "DESCRIBE": wDesc, "DO": wDo, "DROP": wDrop, "END": wEnd,
	"ERRORS": wErrors, "EXECUTE": wExecute, "EXPLAIN": wExplain, "EXPORT": wExport, "FLUSH": wFlush, "FOR": wFor, "FULL": wFull,
	"GLOBAL": wGlobal, "HANDLER": wHandler, "HELP": wHelp, "INSERT": wInsert, "INTO": wInto, "KILL": wKill, "LOAD": wLoad,
	"LOCAL": wLocal, "LOCK": wLock, "NAMES": wNames, "NEXT": wNext, "NO": wNo, "NOT": wNot, "ONLY": wOnly, "PREPARE": wPrepare,
	"PREVIOUS": wPrevious, "PROCEDURE": wProcedure, "QUERY": wQuery, "READ": wRead, "RELEASE": wRelease, "REPLACE": wReplace,
	"ROLLBACK": wRollback, "SAVEPOINT": wSavepoint, "SELECT": wSelect, "SESSION": wSession, "SET": wSet, "SHARE": wShare,
	"SHOW": wShow, "SQL_CALC_FOUND_ROWS": wSQLCalcFoundRows, "START": wStart, "STATEMENT": wStatement, "TABLE": wTable,
	"TABLES": wTables, "TEMPORARY": wTemporary, "TO": wTo, "TRANSACTION": wTransaction, "UNLOCK": wUnlock, "UPDATE": wUpdate,
	"USE": wUse, "VALUE": wValue, "VALUES": wValues, "WARNINGS": wWarnings, "WITH": wWith, "XA": wXA, "PASSWORD": wPassword,
	"ROLE": wRole, "DEFAULT": wDefault, "PERSIST": wPersist, "PERSIST_ONLY": wPersist, "CHARACTER": wCharacter, "CHARSET": wCharset,
	"CONNECTION": wConnection, "HARD": wHard, "SOFT": wSoft, "RENAME": wRename,

	"DATABASES": wShowable, "SCHEMAS": wShowable, "COLUMNS": wShowable, "FIELDS": wShowable, "INDEX": wShowable, "INDEXES": wShowable,
	"KEYS": wShowable, "COLLATION": wShowable, "GRANTS": wShowable, "TRIGGERS": wShowable, "ENGINES": wShowable, "PLUGINS": wShowable,
	"PRIVILEGES": wShowable,

	"TRUNCATE": wWrites, "ALTER": wWrites, "GRANT": wWrites, "REVOKE": wWrites, "OPTIMIZE": wWrites, "REPAIR": wWrites,
	"IMPORT": wWrites, "INSTALL": wWrites, "UNINSTALL": wWrites, "CHANGE": wWrites, "RESET": wWrites, "STOP": wWrites,
	"PURGE": wWrites, "CHECK": wWrites, "CACHE": wWrites, "SHUTDOWN": wWrites, "RESTART": wWrites, "CLONE": wWrites, "SIGNAL": wWrites,
	"RESIGNAL": wWrites,

	// Before a parenthesis these call nothing.
	"IN": wBegets, "ANY": wBegets, "SOME": wBegets, "EXISTS": wBegets, "AND": wBegets, "OR": wBegets, "XOR": wBegets, "ON": wBegets,
	"WHERE": wBegets, "HAVING": wBegets, "WHEN": wBegets, "THEN": wBegets, "ELSE": wBegets, "CASE": wBegets, "DISTINCT": wBegets,
	"DISTINCTROW": wBegets, "FROM": wBegets, "JOIN": wBegets, "STRAIGHT_JOIN": wBegets, "UNION": wBegets, "EXCEPT": wBegets,
	"INTERSECT": wBegets, "MINUS": wBegets, "AS": wBegets, "OVER": wBegets, "USING": wBegets, "BETWEEN": wBegets, "LIKE": wBegets,
	"RLIKE": wBegets, "REGEXP": wBegets, "DIV": wBegets, "ROW": wBegets, "AGAINST": wBegets, "MATCH": wBegets, "LATERAL": wBegets,
	"IS": wBegets, "RETURNING": wBegets, "LIMIT": wBegets, "OFFSET": wBegets, "RECURSIVE": wBegets, "PARTITION": wBegets,
	"KEY": wBegets, "IGNORE": wBegets, "FORCE": wBegets, "ESCAPE": wBegets, "COLLATE": wBegets, "ROLLUP": wBegets, "FILTER": wBegets,
	"WITHIN": wBegets, "GROUP": wBegets, "ORDER": wBegets, "WINDOW": wBegets, "RANGE": wBegets, "ROWS": wBegets, "SOUNDS": wBegets,
	// Types, in CAST and CONVERT.
	"CHAR": wBegets, "DECIMAL": wBegets, "NUMERIC": wBegets, "FLOAT": wBegets, "DOUBLE": wBegets, "REAL": wBegets, "VARCHAR": wBegets,
	"VARBINARY": wBegets, "NCHAR": wBegets, "DATETIME": wBegets, "SIGNED": wBegets, "UNSIGNED": wBegets, "INT": wBegets,
}

// longestWord is the length of the longest name of all tables here.
const longestWord = 40

// upper writes the upper case of an ASCII text into buf. It is nil when that is
// too short.
func upper(buf *[longestWord]byte, text []byte) []byte {
	if len(text) > len(buf) {
		return nil
	}
	for i, c := range text {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		buf[i] = c
	}
	return buf[:len(text)]
}
