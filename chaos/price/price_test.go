package price

import (
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
)

func TestEveryChoiceIsMeasuredAsItSays(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts two servers")
	}
	lab.Require(t, "mariadb")
	r, err := Run(t.Context(), Options{Dirs: []string{t.TempDir()}, Rounds: 1, Each: 400 * time.Millisecond, Say: func(line string) { t.Log(line) }})
	if err != nil {
		t.Fatal(err)
	}
	page := r.Page()
	for _, c := range Choices {
		if !strings.Contains(page, "| "+c.Name+" | ") {
			t.Errorf("%q is missing in\n%s", c.Name, page)
		}
	}
}

func TestPageSaysRatiosToWhatIsDemanded(t *testing.T) {
	row := func(n int) []Cell {
		var out []Cell
		for range Clients {
			out = append(out, Cell{Writes: n, Seconds: 2, P50: time.Millisecond, P99: 2500 * time.Microsecond})
		}
		return out
	}
	r := Result{Machine: "one core", Places: []Place{{Storage: "nowhere", Rows: [][]Cell{row(200), row(300), row(250), row(200), row(400), row(800)}}}}
	page := r.Page()
	for _, want := range []string{"| all of it | 100 (1.00) | 1.00 ms | 2.50 ms |", "| none of it | 400 (4.00) |", "would commit 4.0 times as often", "lazily on the source gives 1.50 times the writes"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing in\n%s", want, page)
		}
	}
}
