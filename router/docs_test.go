package router

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mmm-ha/mmm/router/tally"
)

var rewrite = flag.Bool("rewrite", false, "write the table of metrics in docs/router.md instead of comparing")

const routerPage = "../docs/router.md"

var metricRow = regexp.MustCompile("(?m)^(\\| `mmm_router_.*\n|METRICS\n)+")

// TestThePageListsEveryMetric gathers from a router that has everything.
func TestThePageListsEveryMetric(t *testing.T) {
	r := run(t, func(c *Config) { c.TLS = writeCert(t, t.TempDir(), "router") })
	r.opt.Cluster = func() Cluster {
		return Cluster{Readers: []ReaderState{{Host: "db2"}}, Failures: map[string]uint64{"db2": 1}}
	}
	r.opt.Accounts = func() Accounts { return Accounts{} }
	c := login(t, r.address, "app")
	defer c.Close()
	r.talks.all()[0].enter(Idle, func(s *State) { s.Pins = []string{"temporary tables"} })
	r.board.Ended(r.talks.all()[0].info.Counts, &tally.Statement{Target: tally.Writer, Took: time.Millisecond})

	reg := prometheus.NewRegistry()
	reg.MustRegister(collector{r.Router})
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, f := range families {
		labels := ""
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels += "," + l.GetName()
		}
		if labels != "" {
			labels = "{" + labels[1:] + "}"
		}
		rows = append(rows, fmt.Sprintf("| `%s%s` | %s |\n", f.GetName(), labels, f.GetHelp()))
	}
	slices.Sort(rows)
	got, err := os.ReadFile(routerPage)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(metricRow.FindAll(got, -1)); n != 1 {
		t.Fatalf("%s lists metrics in %d places, want one", routerPage, n)
	}
	want := metricRow.ReplaceAllString(string(got), strings.ReplaceAll(strings.Join(rows, ""), "$", "$$"))
	if string(got) == want {
		return
	}
	if !*rewrite {
		t.Fatalf("%s does not list the metrics that there are; run go test ./router -run PageListsEveryMetric -rewrite", routerPage)
	}
	if err := os.WriteFile(routerPage, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
