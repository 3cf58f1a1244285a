package clients

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// programLimit bounds one run of a program.
const programLimit = 40 * time.Second

// way is one way to reach the data: which port, and whether by TLS.
type way struct {
	name string
	port uint16
	tls  bool
}

// run is a program with what it is given, and what came of it.
type run struct {
	name  string
	args  []string
	env   []string
	stdin string
	dir   string
	ends  bool // the output of a program that came to its end ends with that word
}

// of makes a run of a program.
func of(name string, args ...string) run { return run{name: name, args: args} }

// do runs it to its end. The output has what it wrote to both of its streams, and
// last how it ended.
func (r run) do(t testing.TB) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), programLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.name, r.args...)
	cmd.Env = append(cleanEnv(), r.env...)
	cmd.Dir = r.dir
	cmd.Stdin = strings.NewReader(r.stdin)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		t.Errorf("%s %s did not end\n%s", r.name, strings.Join(r.args, " "), out)
	case errors.As(err, &exit):
	case err != nil:
		t.Fatal(err)
	}
	if r.ends && !strings.HasSuffix(string(out), "the end\n") {
		t.Errorf("%s %s did not come to its end: %s", r.name, strings.Join(r.args, " "), out)
	}
	return fmt.Sprintf("%sexit %d\n", out, cmd.ProcessState.ExitCode())
}

// cleanEnv is the environment without what would change a program's behaviour: a
// Python, a Perl or an option file of somebody's own.
func cleanEnv() []string {
	return []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/nowhere", "LC_ALL=C.UTF-8", "LANG=C.UTF-8", "TERM=dumb"}
}

// needs ends a test that lacks a program or a folder of unpacked ones.
func needs(t testing.TB, programs ...string) {
	t.Helper()
	var missing []string
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			missing = append(missing, err.Error())
		}
	}
	if len(missing) == 0 {
		return
	}
	why := strings.Join(missing, "; ") + "; scripts/install-deps.sh --tests installs what is missing"
	if slices.Contains(strings.Split(os.Getenv("MMM_REQUIRE"), ","), "clients") {
		t.Fatal(why)
	}
	t.Skip("SKIPPED, NOTHING PROVEN: " + why)
}

// unpacked is a folder that scripts/unpack.sh has made; MMM_CLIENTS has them all.
func unpacked(t testing.TB, holds string) string {
	t.Helper()
	for _, folder := range filepath.SplitList(os.Getenv("MMM_CLIENTS")) {
		if found, _ := filepath.Glob(filepath.Join(folder, holds)); len(found) > 0 {
			return folder
		}
	}
	needs(t, "of MMM_CLIENTS, "+holds)
	return ""
}
