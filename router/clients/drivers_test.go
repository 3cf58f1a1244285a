package clients

import (
	"path/filepath"
	"strings"
	"testing"
)

// drivers are the programs in testdata, each by its file.
func TestProgramsInOtherLanguagesSeeWhatTheySeeDirectly(t *testing.T) {
	b := newBed(t)
	for name, make := range map[string]func(t *testing.T) run{
		"Perl": func(t *testing.T) run {
			needs(t, "/usr/bin/perl")
			folder := unpacked(t, "usr/lib/*/perl5/*/DBD/MariaDB.pm")
			places, _ := filepath.Glob(filepath.Join(folder, "usr/lib/*/perl5/*"))
			r := of("/usr/bin/perl", "testdata/client.pl")
			r.env = []string{"PERL5LIB=" + strings.Join(places, ":")}
			return r
		},
		"C": func(t *testing.T) run {
			needs(t, "gcc")
			program := filepath.Join(t.TempDir(), "client")
			headers := filepath.Join(unpacked(t, "usr/include/mariadb/mysql.h"), "usr/include/mariadb")
			if out := of("gcc", "-Wall", "-Werror", "-I"+headers, "-o", program, "testdata/client.c", "-l:libmariadb.so.3").do(t); out != "exit 0\n" {
				t.Fatal(out)
			}
			return of(program)
		},
		"PHP": func(t *testing.T) run {
			needs(t, "/usr/bin/php")
			return of("/usr/bin/php", "-d", "memory_limit=256M", "-d", "mysqli.allow_local_infile=1", "testdata/client.php")
		},
	} {
		t.Run(name, func(t *testing.T) {
			made := make(t)
			b.compare(t, b.shortWays(), nil, func(w way) run {
				r := made
				r.ends = true
				r.env = append(b.env(w), made.env...)
				return r
			})
		})
	}
}
