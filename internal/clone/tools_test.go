package clone

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fakeTool puts a shell script of that name before everything else in PATH.
func fakeTool(t *testing.T, name, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestMissingToolNamesItsPackage(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if err := Tools(); !errors.Is(err, ErrNoTool) || !strings.Contains(err.Error(), "mariadb-backup") || !strings.Contains(err.Error(), "mbstream") {
		t.Errorf("%v", err)
	}
}

func TestStreamSaysWhatMomentItIsOf(t *testing.T) {
	fakeTool(t, "mariadb-backup", `
for a; do case $a in --extra-lsndir=*) notes=${a#*=};; --defaults-file=*) account=${a#*=};; esac; done
cat $account
echo "binlog_pos = filename 'binlog.000003', position '1563', GTID of the last change '0-3-7'" > $notes/xtrabackup_info`)
	var out strings.Builder
	dir := t.TempDir()
	p, err := Source{Socket: "/s", User: "mmm_agent", Password: `a"b\c`, Datadir: "/d", Dir: dir}.Stream(t.Context(), &out)
	if err != nil || p != (Point{"binlog.000003", 1563, "0-3-7"}) {
		t.Errorf("%+v, %v", p, err)
	}
	if want := "[mariadb-backup]\nuser=\"mmm_agent\"\npassword=\"a\\\"b\\\\c\"\n"; out.String() != want {
		t.Errorf("logged in with %q", out.String())
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestToolThatEndsBadlySaysWhy(t *testing.T) {
	fakeTool(t, "mariadb-backup", "echo '[00] FATAL ERROR: no space' >&2; echo later >&2; exit 1")
	_, err := Source{Dir: t.TempDir()}.Stream(t.Context(), &strings.Builder{})
	if err == nil || !strings.Contains(err.Error(), "FATAL ERROR: no space") {
		t.Errorf("%v", err)
	}
}

// A copy that nobody wants any more ends at once, with the cause.
func TestStreamEndsWithItsContext(t *testing.T) {
	fakeTool(t, "mariadb-backup", "exec sleep 60")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(errors.New("it became writer")) })
	_, err := Source{Dir: t.TempDir()}.Stream(ctx, &strings.Builder{})
	if err == nil || !strings.Contains(err.Error(), "it became writer") {
		t.Errorf("%v", err)
	}
}
