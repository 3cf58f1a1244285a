package model

import (
	"strings"
	"testing"

	"github.com/mmm-ha/mmm/chaos/model/explore"
)

// enough states for every case that is not long.
const enough = 8_000_000

// TestQuickCasesComeOutAsTheyMust runs what `make model` runs.
func TestQuickCasesComeOutAsTheyMust(t *testing.T) {
	var out strings.Builder
	o := Options{Limit: enough, Workers: 2, Out: &out, Replay: "mmmlab model --only %q --trace"}
	if surprises := Run(o); len(surprises) > 0 {
		t.Errorf("%q\n%s", surprises, out.String())
	}
	t.Log(out.String())
}

func TestCasesCanBeNamed(t *testing.T) {
	names := map[string]bool{}
	for _, c := range Cases() {
		if names[c.Name] || c.Says == "" {
			t.Errorf("%q is there twice or says nothing", c.Name)
		}
		names[c.Name] = true
		if strings.Contains(c.Name, ": without ") != (c.Want != explore.Holds) || (c.Want != explore.Holds) != (len(c.Rules) > 0) {
			t.Errorf("%s: a case lacks a rule exactly when it names it and must not hold", c.Name)
		}
	}
	for _, o := range []Options{{Only: "R21"}, {Only: "without the filter"}} {
		if len(o.Selected()) == 0 {
			t.Errorf("%q selects nothing", o.Only)
		}
	}
}

// TestSurprisesAreTold: a rule that is not missed, and rules that do not hold,
// end in a surprise with its trace and the command that shows it again.
func TestSurprisesAreTold(t *testing.T) {
	for _, c := range Cases() {
		if c.Long || c.Name != "data: without the incarnation" {
			continue
		}
		var out strings.Builder
		o := Options{Out: &out, Replay: "again %q"}
		c.Want = explore.Holds
		r := c.Run(enough)
		if !o.tell(c, finding{result: r}) || !strings.Contains(out.String(), `again "data: without the incarnation"`) || !strings.Contains(out.String(), "FAULT: mysqld of A dies") {
			t.Errorf("told:\n%s", out.String())
		}
		if c.Surprise(c.Run(10)) == "" {
			t.Error("cut off, and nobody is surprised")
		}
		c.Want, c.Why = explore.Broken, "G1"
		if c.Surprise(r) == "" {
			t.Error("it breaks G2 where it must break G1, and nobody is surprised")
		}
		return
	}
	t.Error("the case is gone")
}
