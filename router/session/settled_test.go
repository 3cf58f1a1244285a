package session

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// settled are settings that servers report, so that the session stays free to read
// from readers, each with a read whose answer hangs on it.
var settled = []struct {
	set  []string
	read string
}{
	{[]string{"SET group_concat_max_len=4", "SET group_concat_max_len=9", "SET group_concat_max_len=DEFAULT"}, "SELECT GROUP_CONCAT(b ORDER BY id) FROM t"},
	{[]string{"SET div_precision_increment=7", "SET div_precision_increment=1"}, "SELECT a / 3 FROM t"},
	{[]string{"SET time_zone='+03:00'", "SET SESSION time_zone='-05:00'"}, "SELECT FROM_UNIXTIME(a) FROM t"},
	{[]string{"SET lc_time_names='de_DE'", "SET lc_time_names='en_US'"}, "SELECT DAYNAME('2024-01-01'), id FROM t"},
	{[]string{"SET sql_select_limit=1", "SET sql_select_limit=2", "SET sql_select_limit=DEFAULT"}, "SELECT id FROM t"},
	{[]string{"SET NAMES latin1", "SET NAMES utf8mb4", "SET NAMES utf8mb4 COLLATE utf8mb4_bin", "SET collation_connection=utf8mb4_general_ci"}, "SELECT COLLATION('x'), 'A'='a', CHARSET(b) FROM t"},
	{[]string{"SET character_set_results=NULL", "SET character_set_results=utf8mb4"}, "SELECT b, 'ä' FROM t"},
	{[]string{"SET sql_mode='PIPES_AS_CONCAT'", "SET sql_mode=''", "SET SESSION sql_mode='ANSI_QUOTES'"}, "SELECT 'a'||'b' FROM t"},
	{[]string{"SET sql_mode='NO_BACKSLASH_ESCAPES'", "SET sql_mode=DEFAULT"}, `SELECT '\\', id FROM t`},
	{[]string{"SET sql_mode='HIGH_NOT_PRECEDENCE'", "SET sql_mode='NO_UNSIGNED_SUBTRACTION'"}, "SELECT NOT 1 BETWEEN -5 AND 5, id FROM t"},
	{[]string{"SET default_week_format=3", "SET default_week_format=0"}, "SELECT WEEK('2024-12-30'), id FROM t"},
	{[]string{"USE $db", "USE information_schema", "USE $db"}, "SELECT DATABASE()"},
	{[]string{"INSERT INTO $db.t (a, b) VALUES (3600, 'more')", "UPDATE $db.t SET a=a+1", "DELETE FROM $db.t WHERE id > 4"}, "SELECT * FROM $db.t ORDER BY id"},
}

// settledSession is a random session without anything that ties it to the writer.
func settledSession(seed uint64) script {
	a := &author{Rand: rand.New(rand.NewPCG(seed, 43))}
	a.say("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, a INT, b VARCHAR(20)) ENGINE=InnoDB")
	a.say("INSERT INTO t (a, b) VALUES (1, 'one'), (2, 'two'), (3, 'three')")
	for range 6 + a.IntN(10) {
		one := settled[a.IntN(len(settled))]
		if a.IntN(3) > 0 {
			a.say("%s", a.one(one.set...))
		}
		a.say("%s", one.read)
		if a.IntN(4) == 0 {
			a.say("%s", settled[a.IntN(len(settled))].read)
		}
	}
	return script{name: fmt.Sprint("seed ", seed), lines: a.lines}
}

// TestRandomSettingsComeAlongToTheReader plays random sessions that are never tied to the
// writer, and reads the servers' general logs: each statement was run once, what writes
// by the writer, and most of what reads by the reader.
func TestRandomSettingsComeAlongToTheReader(t *testing.T) {
	r := newRig(t, 1)
	r.mayScript()
	j := newJournal(r)
	session := sessionVariables(r)
	writer := fmt.Sprintf("127.0.0.1:%d", r.servers["db1"].Port)
	reads, atReader := 0, 0
	for seed := *seedFlag; seed < *seedFlag+uint64(*sessionsFlag); seed++ {
		s := settledSession(seed)
		texts, logs := map[string]string{}, map[string]map[string]written{}
		j.take()
		for _, address := range []string{writer, r.address} {
			text, err := play(address, "s_settled", capsOf["new"], s, session)
			if err != nil {
				t.Fatal(err)
			}
			r.left()
			texts[address], logs[address] = text, j.take()
		}
		if where := differ(texts[writer], texts[r.address]); where != "" {
			t.Errorf("seed %d: %s\nall of it:\n%s", seed, where, s)
		}
		if wrong := once(logs[writer], logs[r.address]); wrong != "" {
			t.Errorf("seed %d: %s", seed, wrong)
		}
		for _, one := range settled {
			reads += logs[writer]["db1"][one.read]
			atReader += logs[r.address]["db2"][one.read]
		}
	}
	if atReader*10 < reads*7 {
		t.Errorf("the reader has answered %d of %d reads", atReader, reads)
	}
	nothingWrittenOnReaders(r)
}
