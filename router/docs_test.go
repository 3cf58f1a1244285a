package router

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mmm-ha/mmm/router/tally"
)

var rewrite = flag.Bool("rewrite", false, "write the tables of docs/router.md instead of comparing")

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
	onPage(t, metricRow, rows)
}

var settingRow = regexp.MustCompile("(?m)^(\\| `[a-zA-Z.]+` \\| .* \\| (a reload|a restart) \\|\n|SETTINGS\n)+")

// TestThePageListsEverySetting writes down the form of the file, with its defaults.
func TestThePageListsEverySetting(t *testing.T) {
	var rows []string
	for f, v := range reflect.ValueOf(Defaults()).Fields() {
		key := f.Tag.Get("yaml")
		after := "a reload"
		if slices.Contains(fixed, key) {
			after = "a restart"
		}
		for _, leaf := range leavesOf(key, v) {
			rows = append(rows, fmt.Sprintf("| `%s` | %s | %s |\n", leaf[0], leaf[1], after))
		}
	}
	onPage(t, settingRow, rows)
}

// leavesOf lists what stands below a key, each with its default.
func leavesOf(key string, v reflect.Value) [][2]string {
	text, formatted := v.Interface().(fmt.Stringer)
	switch {
	case key == "name":
		return [][2]string{{key, "the host's name"}}
	case key == "listeners":
		var all [][2]string
		for f := range v.Type().Elem().Fields() {
			all = append(all, [2]string{key + "." + f.Tag.Get("yaml"), "three listeners, see above"})
		}
		return all
	case formatted:
		return [][2]string{{key, "`" + text.String() + "`"}}
	case v.Kind() == reflect.Struct:
		var all [][2]string
		for f, one := range v.Fields() {
			all = append(all, leavesOf(key+"."+f.Tag.Get("yaml"), one)...)
		}
		return all
	case v.Kind() == reflect.String && v.String() == "":
		return [][2]string{{key, "none"}}
	default:
		return [][2]string{{key, fmt.Sprintf("`%v`", v.Interface())}}
	}
}

// onPage compares rows of a table in the router's page, or writes them there.
func onPage(t *testing.T, table *regexp.Regexp, rows []string) {
	t.Helper()
	got, err := os.ReadFile(routerPage)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(table.FindAll(got, -1)); n != 1 {
		t.Fatalf("%s has such rows in %d places, want one", routerPage, n)
	}
	want := table.ReplaceAllString(string(got), strings.ReplaceAll(strings.Join(rows, ""), "$", "$$"))
	if string(got) == want {
		return
	}
	if !*rewrite {
		t.Fatalf("%s is not what the code says; run go test ./router -run ThePageLists -rewrite", routerPage)
	}
	if err := os.WriteFile(routerPage, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
