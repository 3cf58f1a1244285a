package clone

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// locked holds the lock that a server holds on a file, until it is released.
func locked(t *testing.T, path string) (release func()) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		err = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() { _ = f.Close() }
}

// A server that is started again and again may have begun between the look whether
// it is gone and the bar: it must not go on with half of the data.
func TestNothingIsMovedUnderAServerThatHasBegunToStart(t *testing.T) {
	old := []string{"ibdata1", "aria_log_control", "app/t.ibd"}
	for _, tt := range []struct{ name, holds, when string }{
		{"it has locked the system file", "ibdata1", ""},
		{"it has locked Aria's file", "aria_log_control", ""},
		{"it has locked the system file a moment before the bar", "ibdata1", "exchange "},
		{"it was at the bar with Aria's old file all the time", "mmm-kept/clone/old-1/aria_log_control", "clone/in/app"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := host(t, old...)
			put(t, filepath.Join(d.New(), "aria_log_control"), "new")
			release := func() {}
			if tt.when == "" {
				release = locked(t, filepath.Join(d.Data, tt.holds))
			}
			d.step = func(step string) error {
				if tt.when != "" && strings.Contains(step, tt.when) {
					release, tt.when = locked(t, filepath.Join(d.Data, tt.holds)), ""
				}
				return nil
			}
			err := d.Replace("old-1")
			if info, _ := os.Lstat(filepath.Join(d.Data, systemFile)); !errors.Is(err, ErrInUse) || !info.IsDir() {
				t.Fatalf("%v, %v", err, info)
			}
			release()
			if err := errors.Join(d.Replace("old-1"), d.Replace("old-1")); err != nil {
				t.Fatal(err)
			}
			if text, err := os.ReadFile(filepath.Join(d.Data, systemFile)); string(text) != "new ibdata1" {
				t.Errorf("%q, %v", text, err)
			}
		})
	}
}
