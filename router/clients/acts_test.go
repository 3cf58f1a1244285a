package clients

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// talk is a mariadb shell that is spoken to line by line.
type talk struct {
	testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out chan string
}

// open starts a shell; the end of the test ends it.
func (b *bed) open(t testing.TB, w way, as string, more ...string) *talk {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), programLimit)
	t.Cleanup(cancel)
	k := &talk{TB: t, cmd: exec.CommandContext(ctx, "mariadb", append(b.options(w, as), append([]string{"--unbuffered", "--batch", "--force", "--skip-column-names"}, more...)...)...), out: make(chan string, 10_000)}
	k.cmd.Env = cleanEnv()
	var err error
	k.in, err = k.cmd.StdinPipe()
	b.must(err)
	read, write, err := os.Pipe()
	b.must(err)
	k.cmd.Stdout, k.cmd.Stderr = write, write
	b.must(k.cmd.Start())
	write.Close()
	t.Cleanup(func() { k.in.Close(); k.cmd.Wait(); read.Close() })
	go func() {
		defer close(k.out)
		for s := bufio.NewScanner(read); s.Scan(); {
			k.out <- s.Text()
		}
	}()
	return k
}

func (k *talk) say(sql string) {
	k.Helper()
	if _, err := io.WriteString(k.in, sql+"\n"); err != nil {
		k.Fatal(err)
	}
}

// hear returns the next line with such a word in it.
func (k *talk) hear(word string) string {
	k.Helper()
	var before []string
	for limit := time.After(10 * time.Second); ; {
		select {
		case line, ok := <-k.out:
			if !ok {
				k.Fatalf("the shell ended and never said %q, but %q", word, before)
			}
			if strings.Contains(line, word) {
				return line
			}
			before = append(before, line)
		case <-limit:
			k.Fatalf("the shell never said %q, but %q", word, before)
		}
	}
}

// busy are statements that last: one for the writer, one that a reader runs.
var busy = map[string]string{
	"on the writer": "SELECT 'began'; BEGIN; SELECT COUNT(*) FROM seq_1_to_100000 a, seq_1_to_1000000 b; ROLLBACK; SELECT 'over';",
	"on a reader":   "SELECT 'began'; SELECT COUNT(*) FROM seq_1_to_100000 a, seq_1_to_1000000 b; SELECT 'over';",
}

// await waits until so many servers work on such a statement.
func (b *bed) await(t testing.TB, want int) {
	t.Helper()
	const q = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT COUNT(*) FROM seq%'"
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if n := len(strings.ReplaceAll(b.writer.Query(q)+b.reader.Query(q), "0", "")); n == want {
			return
		}
	}
	t.Fatalf("it is not so that %d servers work on it", want)
}

// TestAStatementIsKilledByEachNumberThatAClientCanKnow: that of the greeting, which
// the shell uses for Ctrl-C, that of CONNECTION_ID(), and that of SHOW PROCESSLIST.
func TestAStatementIsKilledByEachNumberThatAClientCanKnow(t *testing.T) {
	needs(t, "mariadb")
	b := newBed(t)
	for name, statement := range busy {
		for _, w := range b.ways()[:2] {
			t.Run(name+", "+w.name, func(t *testing.T) {
				victim, other := b.open(t, w, user, "seen"), b.open(t, w, user, "seen")
				again := func(what string, kill func()) {
					victim.say(statement)
					victim.hear("began")
					b.await(t, 1)
					kill()
					if got := victim.hear("ERROR"); !strings.Contains(got, "1317 (70100)") {
						t.Errorf("%s: %s", what, got)
					}
					victim.hear("over")
				}
				victim.say("SELECT 'number', CONNECTION_ID();")
				_, number, _ := strings.Cut(victim.hear("number"), "\t")
				again("CONNECTION_ID()", func() { other.say("KILL QUERY " + number + ";") })
				again("SHOW PROCESSLIST", func() {
					other.say("SHOW PROCESSLIST;")
					n, _, _ := strings.Cut(other.hear(number+"\tapp\t"), "\t")
					other.say("KILL QUERY " + n + ";")
				})
				again("Ctrl-C", func() { b.must(victim.cmd.Process.Signal(syscall.SIGINT)) })
				victim.say(statement)
				b.await(t, 1)
				other.say("KILL " + number + ";")
				victim.hear("ERROR")
				b.await(t, 0)
				victim.say("SELECT 'again';")
				victim.hear("again") // by itself, on a new connection
			})
		}
	}
}

// TestFilesOfAClientAreLoaded: LOAD DATA LOCAL, allowed, forbidden, and of a file
// that is not there.
func TestFilesOfAClientAreLoaded(t *testing.T) {
	needs(t, "mariadb", "mariadb-import")
	b := newBed(t)
	file := filepath.Join(t.TempDir(), "people.txt")
	var lines strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&lines, "%d\tname ☃ %d\t%s\n", i, i*7919%100_000, strings.Repeat("z", i%50))
	}
	b.must(os.WriteFile(file, []byte(lines.String()), 0o644))
	const table = "CREATE OR REPLACE TABLE people (id INT PRIMARY KEY, name VARCHAR(40) CHARACTER SET utf8mb4, z VARCHAR(60));"
	const sum = "SELECT COUNT(*), MIN(id), MAX(id), SUM(CRC32(CONCAT(id, name, z))) FROM people; SHOW WARNINGS LIMIT 3;"
	shell := func(script string, more ...string) func(w way) run {
		return func(w way) run {
			r := of("mariadb", append(b.options(w, user), append(more, "-vv", "--force", "--show-warnings", "seen")...)...)
			r.stdin = script
			return r
		}
	}
	load := "LOAD DATA LOCAL INFILE '" + file + "' INTO TABLE people CHARACTER SET utf8mb4;"
	b.compare(t, b.ways(), seconds, shell(table+load+sum+load+sum, "--local-infile=1"))
	b.compare(t, b.ways()[:2], seconds, shell(table+load+sum, "--local-infile=0"))
	b.compare(t, b.ways()[:2], seconds, shell(table+strings.Replace(load, "people.txt", "nowhere.txt", 1)+sum, "--local-infile=1"))
	b.compare(t, b.ways()[:2], seconds, shell(table+strings.Replace(load, "TABLE people", "TABLE nobody", 1)+sum, "--local-infile=1"))
	b.compare(t, b.ways(), nil, func(w way) run {
		return of("mariadb-import", append(b.options(w, user), "--local", "--replace", "--default-character-set=utf8mb4", "seen", file)...)
	})
}

// numbers are what any two connections differ in, as the shell's status says it.
var numbers = regexp.MustCompile(`(?m)^(Connection id|TCP port|Uptime|Threads|SSL):.*$|^Threads:.*$|` + seconds.String())

// TestWhatTheShellAndItsCompanionsAskIsAnswered: status, compression, options that
// change the login, checks, lists and tools of the package.
func TestWhatTheShellAndItsCompanionsAskIsAnswered(t *testing.T) {
	needs(t, "mariadb", "mariadb-check", "mariadb-show", "mariadb-slap", "mariadb-admin")
	b := newBed(t)
	b.writer.Exec("CREATE TABLE seen.t (id INT PRIMARY KEY, a TEXT)", "INSERT INTO seen.t VALUES (1, 'one'), (2, 'two')", "CREATE VIEW seen.v AS SELECT * FROM seen.t")
	b.caughtUp()
	for _, c := range []struct{ program, args, stdin string }{
		{"mariadb", "seen", "\\s\n"},
		{"mariadb", "--compress seen", "SELECT * FROM t; SELECT LENGTH(REPEAT('x', 5000000)); INSERT INTO t VALUES (3, REPEAT('y', 1000000)); DELETE FROM t WHERE id = 3;"},
		{"mariadb", "--init-command=SET@a=7 --table seen", "SELECT @a, @@autocommit;"},
		{"mariadb", "--binary-as-hex --xml seen", "SELECT x'00ff' AS h, NULL AS n, id FROM t;"},
		{"mariadb", "--html --quick --safe-updates seen", "SELECT * FROM t; DELETE FROM t; UPDATE t SET a = 1;"},
		{"mariadb", "--default-character-set=latin1 --column-type-info seen", "SELECT * FROM t;"},
		{"mariadb", "nowhere", "SELECT 1;"},
		{"mariadb", "--user=nobody", "SELECT 1;"},
		{"mariadb", "--password=wrong", "SELECT 1;"},
		{"mariadb", "--password=", "SELECT 1;"},
		{"mariadb", "--connect-expired-password --local-infile --sigint-ignore seen", "SELECT 1;"},
		{"mariadb", "--auto-rehash seen", "connect seen\nSELECT DATABASE();\nconnect information_schema 127.0.0.1\nSELECT DATABASE();\n"},
		{"mariadb-check", "--check --extended seen", ""},
		{"mariadb-check", "--analyze --databases seen", ""},
		{"mariadb-check", "--optimize seen t", ""},
		{"mariadb-check", "--check-upgrade --all-databases", ""},
		{"mariadb-show", "", ""}, {"mariadb-show", "seen", ""}, {"mariadb-show", "--keys seen t", ""}, {"mariadb-show", "--count seen", ""},
		{"mariadb-admin", "ping", ""}, {"mariadb-admin", "variables", ""}, {"mariadb-admin", "kill 4000000000", ""}, {"mariadb-admin", "refresh", ""},
		{"mariadb-admin", "shutdown", ""}, {"mariadb-admin", "create seen", ""}, {"mariadb-admin", "--force drop nowhere", ""}, {"mariadb-admin", "flush-tables", ""},
		{"mariadb-slap", "--concurrency=4 --iterations=2 --number-of-queries=200 --auto-generate-sql --auto-generate-sql-load-type=mixed --create-schema=copy --silent", ""},
	} {
		t.Run(c.program+" "+c.args, func(t *testing.T) {
			masks := numbers
			if c.program == "mariadb-admin" && c.args == "variables" {
				masks = regexp.MustCompile(`(?m)^\| (pseudo_thread_id|timestamp|last_gtid|rand_seed\d|gtid_\w+|session_track_\w+|identity|last_insert_id|\w+ +\| *\d+\.\d+) .*$`)
			}
			b.compare(t, b.ways(), masks, func(w way) run {
				r := of(c.program, append(b.options(w, user), strings.Fields(c.args)...)...)
				r.stdin = c.stdin
				return r
			})
		})
	}
}

// TestWhatAnAdministratorAsksGoesToTheWriterAndABinlogToNobody: a copy of the binlog
// would be that of whichever host is the writer just now.
func TestWhatAnAdministratorAsksGoesToTheWriterAndABinlogToNobody(t *testing.T) {
	needs(t, "mariadb-binlog", "mariadb-admin", "mariadb")
	b := newBed(t)
	for _, c := range []struct{ program, args, says string }{
		{"mariadb-binlog", "--read-from-remote-server --stop-never binlog.000001", "COM_BINLOG_DUMP does not go through the router: connect to a database host itself"},
		{"mariadb-binlog", "--read-from-remote-server binlog.000001", "COM_BINLOG_DUMP does not go through the router: connect to a database host itself"},
		{"mariadb-admin", "processlist extended-status flush-status refresh reload flush-privileges flush-threads flush-logs", "boss"},
		{"mariadb-admin", "flush-hosts status", "Slow queries:"},
		{"mariadb-admin", "start-slave", "exit 1"}, {"mariadb-admin", "password other", "exit 0"},
	} {
		out := of(c.program, append(b.options(b.ways()[1], boss), strings.Fields(c.args)...)...).do(t)
		if !strings.Contains(out, c.says) {
			t.Errorf("%s %s: %s", c.program, c.args, out)
		}
	}
	if out := b.once(t, "SELECT USER();", "--user=boss", "--password=other"); !strings.Contains(out, "boss@") {
		t.Errorf("with the password that mariadb-admin has set: %s", out)
	}
}

// once is what the shell prints of statements through the router.
func (b *bed) once(t testing.TB, script string, more ...string) string {
	t.Helper()
	r := of("mariadb", append(b.options(b.ways()[1], user), more...)...)
	r.stdin = script
	return r.do(t)
}
