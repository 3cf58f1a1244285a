package mutants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// compileLimit is how long compiling a suite may take on a busy machine.
const compileLimit = 5 * time.Minute

// Options says what Run works with. Root and Say must be set.
type Options struct {
	Root    string            // directory of go.mod
	Say     func(line string) // hears of every step
	Verbose bool              // Say hears the change and the output of the tests as well
}

// Run plants each mutant in turn and runs its suite. Each suite is run once
// without any bug before; one that is red then proves nothing, and is an error.
// The results are of all mutants that could be tried, with an error too.
func Run(ctx context.Context, o Options, list []Mutant) ([]Result, error) {
	var out []Result
	var errs []error
	sound := map[string]error{}
	for i, m := range list {
		key := m.Suite.Pkg + " " + m.Suite.Run
		if _, known := sound[key]; !known {
			sound[key] = o.baseline(ctx, m.Suite)
		}
		if err := sound[key]; err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", m.Name, err))
			continue
		}
		r, err := o.try(ctx, m)
		if err != nil {
			o.Say(fmt.Sprintf("%3d/%d  %-34s ERROR     %v", i+1, len(list), m.Name, err))
			errs = append(errs, err)
			continue
		}
		verdict := "caught by " + r.By
		if !r.Caught {
			verdict = "SURVIVES  " + m.What + "\n         replay: " + Replay(m)
		}
		o.Say(fmt.Sprintf("%3d/%d  %-34s %5.1fs  %s", i+1, len(list), m.Name, r.Seconds, verdict))
		out = append(out, r)
		if ctx.Err() != nil {
			break
		}
	}
	return out, errors.Join(append(errs, ctx.Err())...)
}

// Replay is the command that tries one mutant again and shows everything.
func Replay(m Mutant) string { return "go run ./cmd/mmmlab mutants --only " + m.Name + " -v" }

// baseline runs a suite without a bug.
func (o Options) baseline(ctx context.Context, s Suite) error {
	began := time.Now()
	t, err := o.test(ctx, s, "")
	if err == nil && t.red {
		err = fmt.Errorf("suite %q is red without any bug (%s)", s.Name, t.by)
	}
	if err == nil {
		o.Say(fmt.Sprintf("suite %q is green without a bug, %.1fs", s.Name, time.Since(began).Seconds()))
	}
	return err
}

// try plants one bug and runs its suite.
func (o Options) try(ctx context.Context, m Mutant) (Result, error) {
	text, err := m.Apply(o.Root)
	if err != nil {
		return Result{}, err
	}
	if o.Verbose {
		o.Say(fmt.Sprintf("%s: %s\n--- %s\n%s\n+++ with the bug\n%s", m.Name, m.What, m.File, m.Old, m.New))
	}
	dir, err := os.MkdirTemp("", "mutant-")
	if err != nil {
		return Result{}, fmt.Errorf("plant %s: %w", m.Name, err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // two small files below the system's temporary folder
	overlay, err := writeOverlay(dir, filepath.Join(o.Root, m.File), text)
	if err != nil {
		return Result{}, fmt.Errorf("plant %s: %w", m.Name, err)
	}
	t, err := o.test(ctx, m.Suite, overlay)
	if err != nil {
		return Result{}, fmt.Errorf("try %s: %w", m.Name, err)
	}
	return Result{Name: m.Name, Sum: m.sum(), Suite: m.Suite.Name, Caught: t.red, By: t.by, Seconds: t.took.Seconds()}, nil
}

// writeOverlay writes what go's flag -overlay takes and returns its path.
func writeOverlay(dir, file, text string) (string, error) {
	planted, overlay := filepath.Join(dir, filepath.Base(file)), filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {file: planted}})
	if err != nil {
		return "", err
	}
	return overlay, errors.Join(os.WriteFile(planted, []byte(text), 0o600), os.WriteFile(overlay, list, 0o600))
}

// told is what a run of a suite told.
type told struct {
	red  bool
	by   string // the test that failed, or that the suite did not end in time
	took time.Duration
}

// errBuild says that the tree with the bug does not compile: the row is wrong.
var errBuild = errors.New("it does not compile")

// test runs one suite; overlay may be empty. An error means that the tests did
// not run.
func (o Options) test(ctx context.Context, s Suite, overlay string) (told, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Limit+compileLimit)
	defer cancel()
	args := []string{"test", "-count=1", "-failfast", "-vet=off", "-timeout", s.Limit.String()}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	if s.Run != "" {
		args = append(args, "-run", s.Run)
	}
	cmd := exec.CommandContext(ctx, "go", append(append(args, s.Pkg), s.Args...)...)
	cmd.Dir = o.Root
	cmd.Env = append(os.Environ(), "MMM_REQUIRE=netns,mariadb,etcd") // a skipped test notices nothing
	// go test has children: all of them have to end with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	began := time.Now()
	text, err := cmd.CombinedOutput()
	t := told{red: err != nil, took: time.Since(began)}
	if o.Verbose {
		o.Say(string(text))
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return t, fmt.Errorf("go test %s: %w", s.Pkg, err)
	}
	if ctx.Err() != nil {
		return t, fmt.Errorf("go test %s: %w", s.Pkg, ctx.Err())
	}
	if strings.Contains(string(text), "[build failed]") || strings.Contains(string(text), "[setup failed]") {
		return t, fmt.Errorf("%w:\n%s", errBuild, text)
	}
	if err == nil && strings.Contains(string(text), "no tests to run") {
		return t, fmt.Errorf("go test %s -run %q: there is no such test", s.Pkg, s.Run)
	}
	if t.red {
		t.by = culprit(string(text))
	}
	return t, nil
}

var (
	failed  = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
	running = regexp.MustCompile(`(?m)^\s*running tests:\n\s*(\S+)`)
)

// culprit names the test that failed, the innermost of the first one.
func culprit(output string) string {
	if strings.Contains(output, "panic: test timed out") {
		if m := running.FindStringSubmatch(output); m != nil {
			return m[1] + " (does not end)"
		}
		return "the time limit"
	}
	var names []string
	for _, m := range failed.FindAllStringSubmatch(output, -1) {
		names = append(names, m[1])
	}
	if len(names) == 0 {
		return "the end of the test process"
	}
	i := slices.IndexFunc(names, func(n string) bool { return strings.HasPrefix(n, names[0]+"/") })
	return names[max(0, i)]
}
