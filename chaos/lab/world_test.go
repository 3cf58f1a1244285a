package lab

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

// holdEnv makes TestHolder, in a world of its own, be the holder of a bed.
const holdEnv = "MMM_LAB_TEST_HOLD"

// TestHolder is not a test: TestKilledHolderLeavesNothing runs it as a process.
func TestHolder(t *testing.T) {
	work := os.Getenv(holdEnv)
	if work == "" {
		t.Skip("it is the holder of another test")
	}
	o := small(MySQL)
	o.Work = work
	if _, err := New(testContext(t), o); err != nil {
		t.Fatal(err)
	}
	fmt.Println("bed is up")
	select {} // until it is killed
}

func TestKilledHolderLeavesNothing(t *testing.T) {
	Require(t, "netns", "mariadb")
	before := countLeftovers(t)
	namespaces := networkNamespaces(t)
	cmd, err := World("-test.run=^TestHolder$")
	must(t, err)
	// The holder sees this world's /dev/shm below its own: give it another place.
	work := filepath.Join(t.TempDir(), "bed")
	cmd.Env = append(cmd.Env, holdEnv+"="+work)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	up := false
	for lines := bufio.NewScanner(out); !up && lines.Scan(); {
		up = lines.Text() == "bed is up"
	}
	if !up {
		_ = cmd.Wait()
		t.Fatal("the holder did not get its bed up")
	}
	if during := networkNamespaces(t); during < namespaces+3 {
		t.Errorf("%d network namespaces hold processes while the bed is up, %d before", during, namespaces)
	}
	must(t, unix.Kill(cmd.Process.Pid, unix.SIGKILL))
	_ = cmd.Wait() // "killed"
	must(t, until(testContext(t), 10*time.Second, "everything is gone", func() (bool, error) {
		after := countLeftovers(t)
		if after != before || networkNamespaces(t) != namespaces {
			return false, fmt.Errorf("left %+v, before %+v", after, before)
		}
		return true, nil
	}))
}

// networkNamespaces counts the network namespaces of all processes in sight.
func networkNamespaces(t *testing.T) int {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/ns/net")
	must(t, err)
	seen := make(map[string]bool)
	for _, link := range links {
		if ns, err := os.Readlink(link); err == nil {
			seen[ns] = true
		}
	}
	return len(seen)
}

func TestWorldNeedsItsOwnPid1(t *testing.T) {
	t.Setenv(insideEnv, "")
	if _, err := New(t.Context(), Options{Parts: Bare}); err == nil {
		t.Error("a bed was made outside of a world")
	}
}
