package clone

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// host makes a datadir with data, a copy beside it, and what prestart had kept.
func host(t *testing.T, files ...string) Dirs {
	t.Helper()
	d := Dirs{Data: t.TempDir(), State: t.TempDir()}
	if len(files) == 0 {
		files = []string{"ibdata1", "ib_logfile0", "binlog.000001", "binlog.index", "master.info", "mmm-run", "app/t.ibd", "mysql/user.frm", "mmm-kept/20260101Z/relay.000001"}
	}
	for _, name := range append(files, "mmm-host-id", "mmm-agent.lock") {
		put(t, filepath.Join(d.Data, name), "old "+name)
	}
	for _, name := range []string{"ibdata1", "ib_logfile0", "app/t.ibd", "mysql/user.frm", "shop/new.ibd", "xtrabackup_info", "backup-my.cnf", "mmm-kept/db.opt"} {
		put(t, filepath.Join(d.New(), name), "new "+name)
	}
	return d
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// files are all files below a directory, with what they say.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		out = append(out, strings.TrimPrefix(path, dir+"/")+" = "+string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var replaced = []string{
	"app/t.ibd = new app/t.ibd", "ib_logfile0 = new ib_logfile0", "ibdata1 = new ibdata1", "mmm-agent.lock = old mmm-agent.lock", "mmm-host-id = old mmm-host-id",
	"mmm-kept/clone/old-1/app/t.ibd = old app/t.ibd", "mmm-kept/clone/old-1/binlog.000001 = old binlog.000001", "mmm-kept/clone/old-1/binlog.index = old binlog.index",
	"mmm-kept/clone/old-1/ib_logfile0 = old ib_logfile0", "mmm-kept/clone/old-1/ibdata1 = old ibdata1", "mmm-kept/clone/old-1/master.info = old master.info",
	"mmm-kept/clone/old-1/mmm-kept/20260101Z/relay.000001 = old mmm-kept/20260101Z/relay.000001", "mmm-kept/clone/old-1/mmm-run = old mmm-run",
	"mmm-kept/clone/old-1/mysql/user.frm = old mysql/user.frm", "mysql/user.frm = new mysql/user.frm", "shop/new.ibd = new shop/new.ibd",
}

func TestCopyTakesThePlaceOfAllDataAndOfNothingElse(t *testing.T) {
	d := host(t)
	if err := d.Replace("old-1"); err != nil {
		t.Fatal(err)
	}
	if got := files(t, d.Data); !slices.Equal(got, replaced) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(replaced, "\n"))
	}
}

// Wherever the moving is interrupted: no server could start with what is there,
// unless it is all old or all new, and doing it again ends as if nothing had been.
func TestReplacingMayBeInterruptedAnywhere(t *testing.T) {
	for n := 0; ; n++ {
		d := host(t)
		before := files(t, d.Data)
		left := n
		d.step = func(string) error {
			if left--; left < 0 {
				return errors.New("interrupted")
			}
			return nil
		}
		err := d.Replace("old-1")
		if err == nil {
			if n < 12 {
				t.Fatalf("only %d steps", n)
			}
			return
		}
		info, statErr := os.Lstat(filepath.Join(d.Data, systemFile))
		whole := slices.Equal(files(t, d.Data), before)
		if barred := statErr == nil && info.IsDir(); !barred && !whole {
			t.Fatalf("interrupted at %d, and a server could start: %v", n, files(t, d.Data))
		}
		d.step = nil
		for range 2 {
			if err := d.Replace("old-1"); err != nil {
				t.Fatalf("again after %d: %v", n, err)
			}
		}
		if got := files(t, d.Data); !slices.Equal(got, replaced) {
			t.Errorf("after %d got\n%s", n, strings.Join(got, "\n"))
		}
	}
}

// A datadir that was lost is filled; what is in it that is no data stays.
func TestEmptyDatadirIsFilled(t *testing.T) {
	d := host(t, "lost+found/x")
	if !d.Empty() {
		t.Error("it counts as data")
	}
	if err := d.Replace("old-1"); err != nil {
		t.Fatal(err)
	}
	got := files(t, d.Data)
	if !slices.Contains(got, "ibdata1 = new ibdata1") || !slices.Contains(got, "lost+found/x = old lost+found/x") || d.Empty() {
		t.Errorf("got %v", got)
	}
}

// A copy without a system file would leave a host without one.
func TestCopyWithoutItsSystemFileTouchesNothing(t *testing.T) {
	d := host(t)
	if err := os.Remove(filepath.Join(d.New(), systemFile)); err != nil {
		t.Fatal(err)
	}
	before := files(t, d.Data)
	if err := d.Replace("old-1"); !errors.Is(err, ErrCannotReplace) || !slices.Equal(files(t, d.Data), before) {
		t.Errorf("%v, %v", err, files(t, d.Data))
	}
}

// What prestart had kept of crashes outlives the data that it was kept of.
func TestRemovingTheOldDataLeavesWhatWasKeptOfCrashes(t *testing.T) {
	d := host(t)
	if err := errors.Join(d.Replace("old-1"), d.RemoveOld("old-1"), d.RemoveOld("old-1")); err != nil {
		t.Fatal(err)
	}
	got := files(t, d.Old("old-1"))
	if want := []string{"mmm-kept/20260101Z/relay.000001 = old mmm-kept/20260101Z/relay.000001"}; !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	none := host(t, "ibdata1")
	if err := errors.Join(none.Replace("old-2"), none.RemoveOld("old-2")); err != nil || exists(none.Old("old-2")) {
		t.Errorf("%v: something is left", err)
	}
}

func TestSizeCountsWhatACopyTakes(t *testing.T) {
	d := Dirs{Data: t.TempDir()}
	for name, n := range map[string]int{"ibdata1": 1000, "app/t.ibd": 100, "binlog.000001": 5000, "relay.000002": 5000, "mmm-kept/clone/new/ibdata1": 7000, "undo001": 10} {
		put(t, filepath.Join(d.Data, name), strings.Repeat("x", n))
	}
	data, free, err := d.Size()
	if err != nil || data != 1110 || free <= 0 {
		t.Errorf("data %d, free %d, %v", data, free, err)
	}
}

// Whether a copy can be put in place is tried before hours are spent on one, and
// what it was tried with leaves no trace.
func TestDatadirIsTriedWithoutATrace(t *testing.T) {
	for _, d := range []Dirs{host(t), {Data: t.TempDir(), State: t.TempDir()}} {
		before := tree(t, d.Data)
		if err := d.Replaceable(); err != nil {
			t.Error(err)
		}
		put(t, filepath.Join(d.under(), "try", "file"), "of one that was killed")
		if err := d.Replaceable(); err != nil {
			t.Errorf("after one that was killed: %v", err)
		}
		if after := tree(t, d.Data); slices.Contains(before, "mmm-kept/clone") && !slices.Equal(before, after) || slices.Contains(after, "mmm-kept/clone/try") {
			t.Errorf("before %q, after %q", before, after)
		}
		for _, cause := range []error{unix.EINVAL, unix.ENOSYS, unix.EOPNOTSUPP} {
			d.step = func(string) error { return cause }
			if err := d.Replaceable(); !errors.Is(err, ErrCannotReplace) || !strings.Contains(err.Error(), "cannot exchange two files at once") {
				t.Errorf("%v: %v", cause, err)
			}
		}
		d.step = func(string) error { return unix.EIO }
		if err := d.Replaceable(); err == nil || errors.Is(err, ErrCannotReplace) {
			t.Errorf("a disk that failed: %v", err)
		}
		if after := tree(t, d.Data); slices.Contains(after, "mmm-kept/clone/try") {
			t.Errorf("left: %q", after)
		}
	}
}

// tree lists everything below a directory.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		out = append(out, strings.TrimPrefix(strings.TrimPrefix(path, dir), "/"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
