package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestTryLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	// What an earlier try left half-way is no obstacle.
	if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := Try(dir); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

// A directory that is not there, or not ours, says nothing of a disk.
func TestWhatCannotBeTriedIsNoFailure(t *testing.T) {
	for _, dir := range []string{filepath.Join(t.TempDir(), "none"), "/proc/self/fd/none"} {
		if err := Try(dir); err == nil || errors.Is(err, ErrFailed) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestCauseIsWhatTheKernelSaid(t *testing.T) {
	for _, tt := range []struct {
		err    error
		failed bool
		cause  string
	}{
		{&os.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC}, true, "no space left on device"},
		{fmt.Errorf("x: %w", syscall.EROFS), true, "read-only file system"},
		{errors.Join(nil, &os.PathError{Op: "sync", Path: "/x", Err: syscall.EIO}), true, "input/output error"},
		{syscall.EMFILE, false, "too many open files"},
		{syscall.EACCES, false, "permission denied"},
	} {
		err := judge(tt.err)
		if errors.Is(err, ErrFailed) != tt.failed || Cause(err) != tt.cause {
			t.Errorf("%v: failed %t, cause %q", tt.err, errors.Is(err, ErrFailed), Cause(err))
		}
	}
	if judge(nil) != nil {
		t.Error("nothing is something")
	}
}
