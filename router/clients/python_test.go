package clients

import (
	"fmt"
	"path/filepath"
	"testing"
)

// env is how programs in testdata are told where to connect.
func (b *bed) env(w way) []string {
	e := []string{fmt.Sprintf("DB_PORT=%d", w.port), "DB_USER=" + user, "DB_PASSWORD=" + password}
	if w.tls {
		e = append(e, "DB_CA="+b.ca)
	}
	return e
}

func TestProgramsInPythonSeeWhatTheySeeDirectly(t *testing.T) {
	needs(t, "/usr/bin/python3")
	modules := filepath.Join(unpacked(t, "usr/lib/python3/dist-packages/pymysql"), "usr/lib/python3/dist-packages")
	b := newBed(t)
	for _, library := range []string{"pymysql", "MySQLdb"} {
		t.Run(library, func(t *testing.T) {
			b.compare(t, b.shortWays(), nil, func(w way) run {
				r := of("/usr/bin/python3", "testdata/client.py", library)
				r.ends = true
				r.env = append(b.env(w), "PYTHONPATH="+modules, "PYTHONDONTWRITEBYTECODE=1")
				return r
			})
		})
	}
}
