package route

import "testing"

// Each of these commits the open transaction before or after it does its own, so
// that its loss on the way leaves the outcome of the transaction unknown.
func TestWhatCommitsATransactionUnaskedIsKnown(t *testing.T) {
	for _, q := range []string{
		"BEGIN", "START TRANSACTION", "START TRANSACTION READ ONLY", "CREATE TABLE x (a INT)", "create index i on t (a)", "ALTER TABLE t ADD b INT", "DROP TABLE t",
		"TRUNCATE t", "TRUNCATE TABLE t", "RENAME TABLE a TO b", "GRANT SELECT ON a.* TO b", "REVOKE ALL ON a.* FROM b", "CREATE USER a", "DROP USER a", "SET PASSWORD = 'x'",
		"ANALYZE TABLE t", "OPTIMIZE TABLE t", "REPAIR TABLE t", "CHECK TABLE t", "CREATE VIEW v AS SELECT 1", "DROP VIEW v", "CREATE DATABASE d", "CREATE FUNCTION f() RETURNS INT RETURN 1",
		"LOCK TABLES t WRITE", "FLUSH TABLES", "CHANGE MASTER TO MASTER_HOST='a'", "START SLAVE", "STOP SLAVE", "RESET SLAVE", "INSTALL SONAME 'x'", "CACHE INDEX t IN k",
		"CALL p()", "EXECUTE s", "SET autocommit=1", "SET @@session.autocommit=ON", "SELECT 1; COMMIT", "FROBNICATE", "COMMIT", "ROLLBACK", "XA START 'x'", "BEGIN NOT ATOMIC COMMIT; END",
	} {
		if c := Classify([]byte(q), 0); !c.MayEnd() {
			t.Errorf("%s: %+v", q, c)
		}
	}
	for _, q := range []string{"INSERT INTO t VALUES (1)", "UPDATE t SET a=1", "DELETE FROM t", "SELECT 1", "SELECT 1 FOR UPDATE", "SAVEPOINT a", "ROLLBACK TO a", "REPLACE INTO t VALUES (1)", "LOAD DATA LOCAL INFILE 'x' INTO TABLE t", "SHOW TABLES"} {
		if c := Classify([]byte(q), 0); c.MayEnd() {
			t.Errorf("%s: %+v", q, c)
		}
	}
}
