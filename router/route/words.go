package route

import "strings"

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
	wAs
	wAdministers // begins a statement that ends a transaction, though it changes no rows
	wordCount
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
	"PRIVILEGES": wShowable, "EVENTS": wShowable,

	"TRUNCATE": wWrites, "ALTER": wWrites, "GRANT": wWrites, "REVOKE": wWrites, "OPTIMIZE": wAdministers, "REPAIR": wAdministers,
	"IMPORT": wWrites, "INSTALL": wWrites, "UNINSTALL": wWrites, "CHANGE": wAdministers, "RESET": wAdministers, "STOP": wAdministers,
	"PURGE": wAdministers, "CHECK": wAdministers, "CACHE": wAdministers, "SHUTDOWN": wWrites, "RESTART": wWrites, "CLONE": wWrites, "SIGNAL": wWrites,
	"RESIGNAL": wWrites,

	// Before a parenthesis these call nothing.
	"IN": wBegets, "ANY": wBegets, "SOME": wBegets, "EXISTS": wBegets, "AND": wBegets, "OR": wBegets, "XOR": wBegets, "ON": wBegets,
	"WHERE": wBegets, "HAVING": wBegets, "WHEN": wBegets, "THEN": wBegets, "ELSE": wBegets, "CASE": wBegets, "DISTINCT": wBegets,
	"DISTINCTROW": wBegets, "FROM": wBegets, "JOIN": wBegets, "STRAIGHT_JOIN": wBegets, "UNION": wBegets, "EXCEPT": wBegets,
	"INTERSECT": wBegets, "MINUS": wBegets, "AS": wAs, "OVER": wBegets, "USING": wBegets, "BETWEEN": wBegets, "LIKE": wBegets,
	"RLIKE": wBegets, "REGEXP": wBegets, "DIV": wBegets, "ROW": wBegets, "AGAINST": wBegets, "MATCH": wBegets, "LATERAL": wBegets,
	"IS": wBegets, "RETURNING": wBegets, "LIMIT": wBegets, "OFFSET": wBegets, "RECURSIVE": wBegets, "PARTITION": wBegets,
	"KEY": wBegets, "IGNORE": wBegets, "FORCE": wBegets, "ESCAPE": wBegets, "COLLATE": wBegets, "ROLLUP": wBegets, "FILTER": wBegets,
	"WITHIN": wBegets, "GROUP": wBegets, "ORDER": wBegets, "WINDOW": wBegets, "RANGE": wBegets, "ROWS": wBegets, "SOUNDS": wBegets,
	// Types, in CAST and CONVERT.
	"CHAR": wBegets, "DECIMAL": wBegets, "NUMERIC": wBegets, "FLOAT": wBegets, "DOUBLE": wBegets, "REAL": wBegets, "VARCHAR": wBegets,
	"VARBINARY": wBegets, "NCHAR": wBegets, "DATETIME": wBegets, "SIGNED": wBegets, "UNSIGNED": wBegets, "INT": wBegets,
	"OF": wBegets, "SEPARATOR": wBegets, "ROWNUM": wBegets, "VARYING": wBegets, "NATIONAL": wBegets, "CROSS": wBegets, "INNER": wBegets,
	"RETURNS": wBegets, "TRUE": wBegets, "FALSE": wBegets, "NULL": wBegets,
}

// keyword is one of words, in capitals.
type keyword struct {
	text string
	word word
}

// longestKeyword is the length of the longest of words.
const longestKeyword = 19

// keywords are words, those together that begin with the same letter and have the
// same length, and shelves says where: most names meet no keyword at all there, and
// the others one or two.
var keywords, shelves = func() (all []keyword, at [32][longestKeyword + 1]struct{ from, to uint8 }) {
	for letter := range at {
		for length := range at[letter] {
			at[letter][length].from = uint8(len(all))
			for text, w := range words {
				if int(text[0]&31) == letter && len(text) == length {
					all = append(all, keyword{text, w})
				}
			}
			at[letter][length].to = uint8(len(all))
		}
	}
	return all, at
}()

// keywordOf is the keyword that a text is, in whatever case.
func keywordOf(text []byte) word {
	if len(text) > longestKeyword {
		return other
	}
	shelf := shelves[text[0]&31][len(text)]
	for _, k := range keywords[shelf.from:shelf.to] {
		if sameWord(text, k.text) {
			return k.word
		}
	}
	return other
}

// sameWord reports whether a text is a word in capitals of the same length.
func sameWord(text []byte, capitals string) bool {
	for i, c := range text[:len(capitals)] {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		if c != capitals[i] {
			return false
		}
	}
	return true
}

// beforeParenthesis are the keywords that call nothing.
var beforeParenthesis = [wordCount]bool{wBegets: true, wAs: true, wSelect: true, wValues: true, wTable: true, wWith: true, wBy: true, wAll: true,
	wNot: true, wUse: true, wFor: true, wEnd: true, wBinary: true, wValue: true, wShowable: true, wTables: true, wUpdate: true, wSet: true,
	wInsert: true, wReplace: true}

// catalogTables are those of INFORMATION_SCHEMA that tell of what all servers have
// alike. The others tell of one server, or of one session. GLOBAL_VARIABLES is here
// for who wants to know which reader answers.
var catalogTables = func() map[string]bool {
	all := map[string]bool{}
	for _, name := range strings.Fields(`SCHEMATA TABLES COLUMNS STATISTICS KEY_COLUMN_USAGE TABLE_CONSTRAINTS REFERENTIAL_CONSTRAINTS
		CHECK_CONSTRAINTS VIEWS ROUTINES PARAMETERS TRIGGERS EVENTS PARTITIONS CHARACTER_SETS COLLATIONS SEQUENCES PERIODS
		COLLATION_CHARACTER_SET_APPLICABILITY ENGINES PLUGINS KEYWORDS SQL_FUNCTIONS USER_PRIVILEGES SCHEMA_PRIVILEGES TABLE_PRIVILEGES
		COLUMN_PRIVILEGES APPLICABLE_ROLES ENABLED_ROLES ADMINISTRABLE_ROLE_AUTHORIZATIONS ROLE_TABLE_GRANTS ROLE_COLUMN_GRANTS
		ROLE_ROUTINE_GRANTS GEOMETRY_COLUMNS SPATIAL_REF_SYS ST_GEOMETRY_COLUMNS ST_SPATIAL_REFERENCE_SYSTEMS ST_UNITS_OF_MEASURE
		VIEW_TABLE_USAGE VIEW_ROUTINE_USAGE GLOBAL_VARIABLES COLUMN_STATISTICS INDEXES KEY_PERIOD_USAGE`) {
		all[name] = true
	}
	return all
}()

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
