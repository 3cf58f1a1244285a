package ctl

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// explanation is the JSON document of `mmmctl explain`.
type explanation struct {
	document
	Host       string               `json:"host,omitempty"`
	State      topology.State       `json:"state,omitempty"`
	Text       string               `json:"text"`
	Candidates []explainedCandidate `json:"candidates"`
}

type explainedCandidate struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Why  string `json:"why"`
}

// Explain says why a host is in its state, and for every host whether it could
// be the next writer and why not. Without a name it is about the writer. Of a
// router it says what the router says of itself.
func (c *Ctl) Explain(ctx context.Context, name string) error {
	cl, err := c.load(ctx)
	if err != nil {
		return err
	}
	doc := explanation{document: kind("Explanation"), Host: name}
	race := c.heirs(cl)
	_, router := cl.Spec.Value.Router(name)
	switch {
	case name == "":
		doc.Text = noWrites(cl)
		if doc.Text == "" {
			doc.Text = fmt.Sprintf("%s is the writer (epoch %d); its commits are acknowledged by %s", cl.Writer.Value.Name, cl.Epoch(), ackerNames(cl))
		}
	case router:
		doc.State, doc.Text = explainRouter(cl, name, c.now())
	default:
		if _, err := host(cl, name); err != nil {
			return err
		}
		doc.State, doc.Text = explainHost(cl, name, c.now())
	}
	for _, k := range race {
		if name == "" || k.Name == name {
			doc.Candidates = append(doc.Candidates, explainedCandidate{k.Name, k.OK, k.Why})
		}
	}
	return c.emit(doc, func(w *strings.Builder) {
		w.WriteString(doc.Text + "\n")
		if !router {
			w.WriteString("Could be the next writer:\n")
		}
		for _, k := range doc.Candidates {
			yes := "no "
			if k.OK {
				yes = "yes"
			}
			fmt.Fprintf(w, "  %s  %s  %s\n", k.Name, yes, k.Why)
		}
	})
}

// heirs judges every host: for a switchover while there is a writer, for the
// election while there is none.
func (c *Ctl) heirs(cl topology.Cluster) []topology.Candidate {
	if cl.Writer.Present() {
		return topology.Candidates(cl, c.now())
	}
	_, race := topology.Best(cl, topology.Prove(cl))
	return race
}

func explainHost(cl topology.Cluster, name string, now time.Time) (topology.State, string) {
	state, why := topology.Classify(cl, name, now)
	lines := []string{fmt.Sprintf("%s is %s: %s", name, state, why)}
	for _, k := range checkNames {
		line := checkOf(cl, name, k)
		if line.OK != nil && !*line.OK && line.Since != nil {
			lines = append(lines, fmt.Sprintf("  check %s is bad since %s ago: %s", k, ago(now.Sub(*line.Since)), line.Message))
		}
	}
	if r, _, ok := cl.ReportOf(name); ok {
		p := r.Replication
		switch {
		case p.Configured:
			lines = append(lines, fmt.Sprintf("  replicates from %s: IO %s, SQL %s, semi-sync %s%s", p.Source, orDash(p.IO), yesNo(p.SQL), yesNo(p.Semi), errorText(p.Error)))
		case !cl.Writer.Present() || cl.Writer.Value.Name != name:
			lines = append(lines, "  replicates from nobody")
		}
		lines = append(lines, fmt.Sprintf("  holds %s, %s, fence %s", orNothing(r.Received.String()), orDash(r.Version), orDash(r.Fence)))
	}
	return state, strings.Join(lines, "\n")
}

func yesNo(b bool) string {
	if b {
		return "Yes"
	}
	return "No"
}

func errorText(e string) string {
	if e == "" {
		return ""
	}
	return "; " + e
}

// ackerNames are the hosts of the acker set.
func ackerNames(cl topology.Cluster) string {
	var names []string
	for _, name := range hostNames(cl) {
		if r, id, ok := cl.ReportOf(name); ok {
			if inc, acks := cl.Reign.Value.Ackers[id]; acks && inc == r.Incarnation {
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 {
		return "nobody"
	}
	return strings.Join(names, ", ")
}
