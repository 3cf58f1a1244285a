package clients

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/router/follow"
)

// move makes the reader the writer as agents do in a planned switchover: routers
// hold what is new and let transactions end, the old writer closes, the new one has
// all of it and opens. Patience is what transactions have; agents give half a second.
func (b *bed) move(t testing.TB, patience time.Duration) (pause time.Duration) {
	t.Helper()
	v := *b.world.View()
	from, to := b.named[v.Writer.Name], b.named[v.Readers[0].Name]
	b.world.over.Store(false)
	v.Held, v.Why = true, "the writer is being moved"
	began := time.Now()
	b.world.set(v)
	b.quiet(patience)
	b.world.over.Store(true)
	if !b.quiet(time.Second) {
		t.Log("some statements of transactions are still under way")
	}
	from.Exec("SET GLOBAL read_only=1")
	to.Exec("SELECT MASTER_GTID_WAIT('"+from.Query("SELECT @@gtid_binlog_pos")+"', 20)", "STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only=0")
	b.world.set(follow.View{Epoch: v.Epoch + 1, Writer: v.Readers[0].Host, Readers: []follow.Reader{{Host: v.Writer, Weight: 1}}})
	pause = time.Since(began)
	from.Exec("SET GLOBAL gtid_slave_pos=@@gtid_binlog_pos", changeMaster(to), "START SLAVE")
	return pause
}

// quiet waits until nothing is under way on the writer.
func (b *bed) quiet(limit time.Duration) bool {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if running, open := b.talk.Writing(); running+open == 0 {
			return true
		}
	}
	return false
}

var (
	errorsOfSysbench = regexp.MustCompile(`ignored errors: +(\d+)`)
	reconnects       = regexp.MustCompile(`reconnects: +(\d+)`)
	queries          = regexp.MustCompile(`queries: +(\d+)`)
)

// TestSysbenchSeesNoErrorWhileTheWriterMoves runs several of them at once, with
// statements prepared and not, while the writer is moved there and back. What is in
// autocommit sees nothing; a transaction is at most told to begin again.
func TestSysbenchSeesNoErrorWhileTheWriterMoves(t *testing.T) {
	needs(t, "sysbench")
	b := newBed(t, "backend: {tls: off}")
	bench := func(schema, script string, options ...string) string {
		args := []string{script, "--db-driver=mysql", "--mysql-host=127.0.0.1", fmt.Sprintf("--mysql-port=%d", b.split), "--mysql-user=" + user, "--mysql-password=" + password,
			"--mysql-db=" + schema, "--tables=2", "--table-size=500", "--rand-type=uniform", "--mysql-ignore-errors=1213"}
		return of("sysbench", append(args, options...)...).do(t)
	}
	var all sync.WaitGroup
	for i, c := range []struct {
		script, options string
		retries         bool // a transaction may be told to begin again
	}{
		{"oltp_read_write", "--threads=3 --db-ps-mode=auto", true},
		{"oltp_read_write", "--threads=1 --db-ps-mode=auto --skip-trx", false}, // two would collide by their keys
		{"oltp_read_write", "--threads=1 --db-ps-mode=disable --skip-trx", false},
		{"oltp_read_only", "--threads=2 --db-ps-mode=auto", true},
		{"oltp_point_select", "--threads=2 --db-ps-mode=auto", false},
		{"oltp_insert", "--threads=2 --db-ps-mode=auto --auto-inc=off", false},
	} {
		schema := fmt.Sprintf("sb%d", i)
		b.writer.Exec("CREATE DATABASE " + schema)
		if out := bench(schema, c.script, "prepare"); !strings.HasSuffix(out, "exit 0\n") {
			t.Fatal(out)
		}
		all.Go(func() {
			out := bench(schema, c.script, append(strings.Fields(c.options), "--time=5", "run")...)
			failed, again, n := number(errorsOfSysbench, out), number(reconnects, out), number(queries, out)
			if !strings.HasSuffix(out, "exit 0\n") || again != 0 || n < 100 || failed != 0 && !c.retries {
				t.Errorf("%s %s:\n%s", c.script, c.options, out)
				return
			}
			t.Logf("%s %s: %d queries, %d told to begin again", c.script, c.options, n, failed)
		})
	}
	for _, patience := range []time.Duration{500 * time.Millisecond, 0} {
		time.Sleep(1500 * time.Millisecond) // of work between two moves
		t.Logf("the writer moved in %v; transactions had at most %v", b.move(t, patience).Round(time.Millisecond), patience)
	}
	all.Wait()
	if s := b.router.Status(); s.Answered["reader"].Statements == 0 || s.Answered["writer"].Statements == 0 {
		t.Errorf("answered by %v", s.Answered)
	}
}

// number is what a line of sysbench's says; -1 if there is none.
func number(line *regexp.Regexp, out string) int {
	m := line.FindStringSubmatch(out)
	if m == nil {
		return -1
	}
	n, _ := strconv.Atoi(m[1])
	return n
}
