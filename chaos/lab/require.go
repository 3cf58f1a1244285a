package lab

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// TB is what Require needs of testing.TB.
type TB interface {
	Helper()
	Skip(args ...any)
	Fatal(args ...any)
}

// Require ends a test that lacks one of its needs: netns (root and a world, see
// RunTests), mariadb, etcd (the binaries in the directory MMM_BIN). The test is skipped, or fails
// when the environment variable MMM_REQUIRE names the need.
func Require(t TB, needs ...string) {
	t.Helper()
	for _, need := range needs {
		why := missing(need)
		if why == "" {
			continue
		}
		why = fmt.Sprintf("this test needs %q: %s", need, why)
		if slices.Contains(strings.Split(os.Getenv("MMM_REQUIRE"), ","), need) {
			t.Fatal(why)
		}
		t.Skip("SKIPPED, NOTHING PROVEN: " + why)
	}
}

// missing says what is missing for a need; empty: nothing.
func missing(need string) string {
	switch need {
	case "netns":
		if !InWorld() {
			return "run it as root, and let TestMain call lab.RunTests"
		}
		return missingCommands("nsenter", "nft")
	case "mariadb":
		return missingCommands("mariadbd", "mariadb-install-db")
	case "etcd":
		if out, err := exec.Command(os.Getenv("MMM_BIN")+"/mmmagent", "etcd", "--help").CombinedOutput(); err != nil {
			return fmt.Sprintf("MMM_BIN=%q holds no mmmagent that can be an etcd member: %v %s", os.Getenv("MMM_BIN"), err, out)
		}
		return ""
	default:
		return "nobody knows this need"
	}
}

func missingCommands(names ...string) string {
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			return err.Error() + "; scripts/install-deps.sh installs it"
		}
	}
	return ""
}
