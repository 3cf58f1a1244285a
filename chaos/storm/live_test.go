package storm

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/check"
	"github.com/mmm-ha/mmm/chaos/history"
	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/chaos/outcome"
)

func TestMain(m *testing.M) { os.Exit(lab.RunTests(m)) }

// shortRuns are the storms of every test run: together at most five minutes.
// Seeds that once found something belong here.
var shortRuns = []struct {
	seed    uint64
	strikes int
	classes []string // nil: all
	routers bool
	why     string
}{
	{1, 10, nil, false, "all classes, ten strikes"},
	{2, 8, []string{"hang", "both", "agent-freeze", "cut"}, false,
		"a source that hangs while its ackers attach by position; a mysqld that restarts under a dead agent"},
	{143, 5, []string{"router-kill", "router-agent-freeze", "router-freeze", "kill", "switchover"}, true,
		"clients of two routers; a VIP that leaves open transactions behind"},
}

func TestStormOfSeedViolatesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED, NOTHING PROVEN: it starts servers, and the tests run with -short")
	}
	lab.Require(t, "netns", "mariadb", "etcd")
	for _, r := range shortRuns {
		t.Run(fmt.Sprintf("%d: %s", r.seed, r.why), func(t *testing.T) {
			const limit = 150 * time.Second
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			o := Options{
				Seed: r.seed, Strikes: r.strikes, Classes: r.classes, Length: 80 * time.Second, Profile: "fast", Slack: 3 * time.Second, Out: t.TempDir(),
				Replay: fmt.Sprintf("go test ./chaos/storm -run 'TestStormOfSeedViolatesNothing/%d'", r.seed),
				Say:    func(line string) { t.Log(line) },
			}
			weather(ctx, t, o, r.routers)
			judge(t, o.Out)
		})
	}
}

// weather makes a bed and lets the storm blow.
func weather(ctx context.Context, t *testing.T, o Options, routers bool) {
	t.Helper()
	bed := BedOptions(o.Profile)
	if routers {
		bed = WithRouters(bed)
	}
	bed.BinDir = os.Getenv("MMM_BIN")
	var err error
	if o.Bed, err = lab.New(ctx, bed); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := o.Bed.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := Run(ctx, o); err != nil {
		t.Fatal(err)
	}
}

// judge fails the test when the history violates something or proves nothing,
// and keeps the histories, logs and page then.
func judge(t *testing.T, dir string) {
	t.Helper()
	h, err := history.Load(filepath.Join(dir, HistoryDir))
	if err != nil {
		t.Fatal(err)
	}
	verdicts := check.All(h)
	r := outcome.Of(h, verdicts)
	t.Log(r)
	if r.Word() == "passed" {
		return
	}
	if page, err := outcome.Page(h, verdicts, r); err == nil {
		_ = os.WriteFile(filepath.Join(dir, "report.html"), []byte(page), 0o644)
	}
	to, err := os.MkdirTemp("", "mmm-storm-")
	if err == nil {
		err = os.CopyFS(to, os.DirFS(dir))
	}
	t.Errorf("the storm %s; page, histories and logs: %s (%v)", r.Word(), to, err)
}
