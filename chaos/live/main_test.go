package live

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
)

// binEnv names the directory of the programs under test, for lab.Require too.
const binEnv = "MMM_BIN"

func TestMain(m *testing.M) {
	lab.Main() // before anything else: this binary is also the world and every host's init
	flag.Parse()
	cleanUp, err := func() {}, error(nil)
	if !lab.InWorld() && !testing.Short() && os.Geteuid() == 0 {
		if cleanUp, err = programs(); err != nil {
			fmt.Fprintln(os.Stderr, "build what is tested:", err)
			os.Exit(1)
		}
	}
	code := lab.RunTests(suite{m})
	cleanUp()
	os.Exit(code)
}

// programs makes binEnv name a directory with mmmagent and mmmctl.
func programs() (cleanUp func(), err error) {
	if dir := os.Getenv(binEnv); dir != "" {
		dir, err = filepath.Abs(dir)
		return func() {}, errors.Join(err, os.Setenv(binEnv, dir))
	}
	dir, err := os.MkdirTemp("", "mmm-live-bin-")
	if err != nil {
		return nil, err
	}
	out, err := exec.Command("go", "build", "-o", dir, "../../cmd/mmmagent", "../../cmd/mmmctl").CombinedOutput()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("go build: %w: %s", err, out), os.RemoveAll(dir))
	}
	return func() { _ = os.RemoveAll(dir) }, os.Setenv(binEnv, dir)
}

// suite ends the shared bed after the last test.
type suite struct{ m *testing.M }

// Run runs the tests.
func (s suite) Run() int {
	code := s.m.Run()
	if shared != nil {
		if err := shared.close(); err != nil {
			fmt.Fprintln(os.Stderr, "close the shared bed:", err)
			code = max(code, 1)
		}
	}
	if template != "" {
		_ = os.RemoveAll(filepath.Dir(template))
	}
	return code
}

var (
	shared   *bed   // nil: none yet, or the last was thrown away
	template string // datadir that all beds copy
)

// bedLimit bounds the making of a bed.
const bedLimit = 90 * time.Second

// takeBed gives the shared bed, a new one when there is none of the kind: two at
// once would be too many servers.
func takeBed(t *testing.T, kind string, changes ...func(*lab.Options)) *bed {
	t.Helper()
	if shared != nil && shared.kind == kind {
		return shared
	}
	if last := shared; last != nil {
		shared = nil
		if err := last.close(); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), bedLimit)
	defer cancel()
	if template == "" {
		dir, err := os.MkdirTemp("/dev/shm", "mmm-live-")
		if err == nil {
			err = lab.MakeTemplate(ctx, filepath.Join(dir, "template"))
		}
		if err != nil {
			t.Fatal(err)
		}
		template = filepath.Join(dir, "template")
	}
	b, err := newBed(ctx, t, changes...)
	if err != nil {
		t.Fatal(err)
	}
	b.kind = kind
	shared = b
	return b
}
