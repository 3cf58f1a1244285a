package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// hanging starts a process that hangs before a stalled disk: a file system in a
// mount namespace of its own, which goes with it. resume ends the stall; when this
// test is killed, a watcher beside it does after a while.
func hanging(t *testing.T) (inc topology.Incarnation, resume func()) {
	t.Helper()
	if _, err := exec.LookPath("mkfs.ext4"); err != nil || os.Geteuid() != 0 {
		if strings.Contains(os.Getenv("MMM_REQUIRE"), "netns") {
			t.Fatal("it takes root and mkfs.ext4 to stall a disk")
		}
		t.Skip("SKIPPED, NOTHING PROVEN: it takes root and mkfs.ext4 to stall a disk")
	}
	const script = `truncate -s 8M "$1/image" && mkdir "$1/disk" && mkfs.ext4 -q -m 0 "$1/image" && mount -o loop "$1/image" "$1/disk" || exit 1
		( read -t 20 _; exec fsfreeze -u "$1/disk" ) <&3 &
		fsfreeze -f "$1/disk" && exec dd if=/dev/zero of="$1/disk/x" count=1 3<&-`
	cmd := exec.Command("unshare", "-m", "--propagation", "private", "bash", "-c", script, "bash", t.TempDir())
	wake, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{wake}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = wake.Close()
	resume = sync.OnceFunc(func() { _ = hold.Close() })
	t.Cleanup(func() { resume(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	writes := func() bool {
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", cmd.Process.Pid)) // one that makes the file system waits for disks, too
		return string(name) == "dd\n" && doomed(cmd.Process.Pid)
	}
	for end := time.Now().Add(limit); !writes(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not hang")
		}
	}
	if inc, err = Of(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	return inc, resume
}

// A process that hangs before a stalled disk cannot end, and cannot do anything
// either: a fence must not wait for it.
func TestKillOfAProcessThatHangsInTheKernelCountsAsItsDeath(t *testing.T) {
	inc, resume := hanging(t)
	if err := Kill(bounded(t), inc); err != nil {
		t.Errorf("Kill: %v", err)
	}
	short, cancel := context.WithTimeout(t.Context(), 10*doomedEvery)
	defer cancel()
	if err := Wait(short, inc); err == nil {
		t.Error("it has ended: nothing was proven")
	}
	resume()
	if err := Wait(bounded(t), inc); err != nil {
		t.Errorf("it does not end when the disk is well again: %v", err)
	}
}

// Who runs is not doomed, however long the signal takes.
func TestKillWaitsForAProcessThatCouldStillRun(t *testing.T) {
	inc, cmd := sleeper(t)
	if doomed(cmd.Process.Pid) {
		t.Error("a process that sleeps is taken for one that hangs")
	}
	h, err := open(inc)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*doomedEvery)
	defer cancel()
	if err := h.waitKilled(ctx); !errors.Is(err, context.DeadlineExceeded) { // nobody killed it
		t.Errorf("waitKilled: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := h.waitKilled(bounded(t)); err != nil { // after waits that were cut short
		t.Error(err)
	}
}
