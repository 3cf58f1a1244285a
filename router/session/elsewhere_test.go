package session

import (
	"fmt"
	"strings"
	"testing"
)

// scene is a client of a router with a writer and one reader, in the schema app.
func (r *rig) scene() *talker {
	r.Helper()
	k, err := greet(r.address, capsOf["track"], "app", "secret", "app")
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(k.close)
	return k
}

// answers plays statements and returns what the last one was answered.
func (k *talker) answers(statements ...string) string {
	for _, q := range statements {
		k.said()
		k.query(q)
	}
	return k.said()
}

func TestVariableSetOnAReaderIsNeverReadAsNullElsewhere(t *testing.T) {
	r := newRig(t, 1)
	r.mayScript()
	r.servers["db1"].Exec("CREATE FUNCTION app.notes() RETURNS INT BEGIN SET @z = 9; RETURN 1; END")
	r.servers["db2"].Exec("SELECT MASTER_GTID_WAIT('" + position(t, r.servers["db1"]) + "', 20)")
	const refused = "error 1290 HY000 the router does not run this: it reads @v, which was set in a transaction that only reads and ran on a reader"
	for _, set := range []string{"SELECT MAX(id) INTO @v FROM t", "SELECT @V := 3", "SET @`v` = 5", "SET sql_mode = '', @v = 1"} {
		for _, read := range []string{"SELECT @v", "INSERT INTO t (a) VALUES (@v)", "SET @v = @v + 1", "SELECT 1; SELECT @v", "SELECT @v := @v + 1", "CALL nothing(@v)"} {
			k := r.scene()
			if got := k.answers("START TRANSACTION READ ONLY", which, set, "SELECT @v"); !strings.Contains(got, "row") {
				t.Errorf("%s, in the transaction: %s", set, got)
			}
			if got := k.answers("COMMIT", read); !strings.Contains(got, refused) {
				t.Errorf("%s, then %s: %s", set, read, got)
			}
			if got := k.answers("SELECT a FROM t LIMIT 1", which); !strings.Contains(got, fmt.Sprint(r.servers["db2"].ServerID)) {
				t.Errorf("%s, then a read: %s", set, got)
			}
			if got := k.answers("SET @v = 'new'", "SELECT @v"); !strings.Contains(got, "new") {
				t.Errorf("%s, then set anew: %s", set, got)
			}
			k.close()
		}
	}
	k := r.scene()
	if got := k.answers("START TRANSACTION READ ONLY", "SELECT notes()", "SELECT @z"); !strings.Contains(got, `"\x019"`) {
		t.Errorf("set by a function, in the transaction: %s", got)
	}
	if got := k.answers("COMMIT", "SELECT @z"); !strings.Contains(got, "error 1290 HY000 the router does not run this: it reads @z") {
		t.Errorf("set by a function: %s", got)
	}
	k = r.scene()
	if got := k.answers("/* mmm:writer */ START TRANSACTION READ ONLY", "SELECT MAX(id) INTO @v FROM t", "COMMIT", "SELECT @v"); !strings.Contains(got, `"\x01`) {
		t.Errorf("as the refusal says: %s", got)
	}
}

func TestVariableSetByATriggerTiesTheSessionToTheWriter(t *testing.T) {
	r := newRig(t, 1)
	r.mayScript()
	r.servers["db1"].Exec("CREATE TRIGGER app.sets AFTER INSERT ON app.t FOR EACH ROW SET @x = NEW.id",
		"CREATE PROCEDURE app.keeps() SELECT COUNT(*) INTO @y FROM t")
	r.servers["db2"].Exec("SELECT MASTER_GTID_WAIT('" + position(t, r.servers["db1"]) + "', 20)")
	k := r.scene()
	if got := k.answers("DELETE FROM t WHERE id=77", which); !strings.Contains(got, fmt.Sprint(r.servers["db2"].ServerID)) {
		t.Errorf("a write without a trigger: %s", got)
	}
	if got := k.answers("INSERT INTO t (id) VALUES (50)", "START TRANSACTION READ ONLY", "SELECT @x"); !strings.Contains(got, `"\x0250"`) {
		t.Errorf("what the trigger has set, in a transaction that only reads: %s", got)
	}
	k = r.scene()
	if got := k.answers("CALL keeps()", "SELECT @y"); !strings.Contains(got, `"\x013"`) {
		t.Errorf("what a procedure has set: %s", got)
	}
}
