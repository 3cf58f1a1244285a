package clients

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// options are how a program of MariaDB is told where to connect.
func (b *bed) options(w way, as string) []string {
	o := []string{"--no-defaults", "--host=127.0.0.1", "--protocol=tcp", fmt.Sprintf("--port=%d", w.port), "--user=" + as, "--password=" + password}
	if w.tls {
		return append(o, "--ssl", "--ssl-verify-server-cert", "--ssl-ca="+b.ca)
	}
	return append(o, "--skip-ssl")
}

// ways are those to compare, the first of them direct.
func (b *bed) ways() []way {
	return []way{
		{"direct", b.writer.Port, false}, {"split", b.split, false}, {"writer's listener", b.writes, false},
		{"direct, TLS", b.writer.Port, true}, {"split, TLS", b.split, true},
	}
}

// shortWays are those for programs that take long.
func (b *bed) shortWays() []way {
	all := b.ways()
	return append(all[:2:2], all[3:]...)
}

// compare runs a program in each way, and complains where it prints something else
// than directly. Masks are what must differ.
func (b *bed) compare(t *testing.T, ways []way, masks *regexp.Regexp, make func(w way) run) {
	t.Helper()
	var direct string
	for _, w := range ways {
		out := make(w).do(t)
		if masks != nil {
			out = masks.ReplaceAllString(out, "<..>")
		}
		if strings.HasPrefix(w.name, "direct") {
			direct = out
			continue
		}
		if where := differ(direct, out); where != "" {
			t.Errorf("%s: %s", w.name, where)
		}
	}
	t.Logf("%d lines in %d ways, and at the end: %s; %s", strings.Count(direct, "\n"), len(ways), last(direct), versions.FindString(direct))
}

// last is the end of a text, on one line.
func last(text string) string {
	const enough = 100
	return strings.ReplaceAll(strings.TrimSpace(text[max(len(text)-enough, 0):]), "\n", " | ")
}

// differ shows where two texts part; empty if they are the same.
func differ(direct, through string) string {
	a, b := strings.Split(direct, "\n"), strings.Split(through, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d, after %q\n directly: %s\n  through: %s", i+1, a[max(i-4, 0):i], a[i], b[i])
		}
	}
	if len(a) != len(b) {
		longer := a
		if len(b) > len(a) {
			longer = b
		}
		return fmt.Sprintf("directly %d lines, through %d; then %q", len(a), len(b), longer[min(len(a), len(b)):])
	}
	return ""
}

// versions is the line of a program that says what it is.
var versions = regexp.MustCompile(`version: .*`)

// seconds are the times that the shell prints.
var seconds = regexp.MustCompile(`\(?\d+\.\d+ sec\)?`)

func TestTheShellSeesWhatItSeesDirectly(t *testing.T) {
	needs(t, "mariadb")
	b := newBed(t)
	dir, err := filepath.Abs("testdata")
	b.must(err)
	script, err := os.ReadFile("testdata/shell.sql")
	b.must(err)
	b.compare(t, b.ways(), seconds, func(w way) run {
		r := of("mariadb", append(b.options(w, user), "-vvv", "--force", "--comments", "--binary-as-hex", "--default-character-set=utf8mb4", "--init-command=SET @init = 'said first'")...)
		r.stdin = strings.ReplaceAll(string(script), "DIR", dir)
		return r
	})
}

// TestNewerShellsSeeWhatTheySeeDirectly: those of the next versions. MySQL's of today
// has no mysql_native_password any more, and says so of a router as of a server.
func TestNewerShellsSeeWhatTheySeeDirectly(t *testing.T) {
	b := newBed(t)
	dir, err := filepath.Abs("testdata")
	b.must(err)
	script, err := os.ReadFile("testdata/shell.sql")
	b.must(err)
	newer := filepath.Join(unpacked(t, "usr/bin/mariadb-check"), "run")
	b.compare(t, b.ways(), seconds, func(w way) run {
		r := of(newer, append([]string{"usr/bin/mariadb"}, append(b.options(w, user), "-vvv", "--force", "--comments", "--binary-as-hex", "--default-character-set=utf8mb4", "--init-command=SET @init = 'said first'", "--local-infile=1")...)...)
		r.stdin = strings.ReplaceAll(string(script), "DIR", dir)
		return r
	})
	mysql := filepath.Join(unpacked(t, "usr/bin/mysqldump"), "run")
	for _, program := range []string{"mysql", "mysqldump", "mysqladmin"} {
		b.compare(t, b.ways()[:2], nil, func(w way) run {
			return of(mysql, "usr/bin/"+program, "--no-defaults", "--host=127.0.0.1", fmt.Sprintf("--port=%d", w.port), "--user="+user, "--password="+password, "--ssl-mode=DISABLED", "seen")
		})
	}
}
