package ctl

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// checkNames are MMM's checks in MMM's order.
var checkNames = []string{topology.CheckPing, topology.CheckMySQL, topology.CheckThreads, topology.CheckBacklog}

// checkRouter is the check of a router: mmmrouter greets.
const checkRouter = "router"

// hostCheck is one line of `mmmctl checks`.
type hostCheck struct {
	Host    string     `json:"host"`
	Check   string     `json:"check"`
	OK      *bool      `json:"ok"`    // null: unknown
	Since   *time.Time `json:"since"` // last change; null: unknown
	Message string     `json:"message"`
}

// Checks prints the checks of one host or of all, in MMM's format:
//
//	db1  ping         [last change: 2010/02/11 12:43:16]  OK
//
// An empty word and "all" mean all. A router has ping and router.
func (c *Ctl) Checks(ctx context.Context, name, check string) error {
	cl, err := c.load(ctx)
	if err != nil {
		return err
	}
	lines, err := checkLines(cl, name, check)
	if err != nil {
		return err
	}
	doc := struct {
		document
		Checks []hostCheck `json:"checks"`
	}{kind("Checks"), lines}
	return c.emit(doc, func(w *strings.Builder) { w.WriteString(checksText(lines)) })
}

func checkLines(cl topology.Cluster, name, check string) ([]hostCheck, error) {
	names := append(hostNames(cl), routerNames(cl)...)
	if name != "" && name != "all" {
		if _, err := scope(cl, name); err != nil {
			return nil, err
		}
		names = []string{name}
	}
	all := check == "" || check == "all"
	if known := append(slices.Clone(checkNames), checkRouter); !all && !slices.Contains(known, check) {
		return nil, notFound("there is no check %q; the checks are %s", check, strings.Join(known, ", ")).inMMM("ERROR: Unknown check '%s'!", check)
	}
	var out []hostCheck
	for _, n := range names {
		of := checkNames
		if _, router := cl.Spec.Value.Router(n); router {
			of = []string{topology.CheckPing, checkRouter}
		}
		for _, k := range of {
			if all || k == check {
				out = append(out, checkOf(cl, n, k))
			}
		}
	}
	return out, nil
}

// routerCheck is what the agent beside a router says of a check of its own.
func routerCheck(r topology.RouterReport, check string) hostCheck {
	ok, out := true, hostCheck{Host: r.Name, Check: check, Message: "its agent holds a lease"}
	if check == checkRouter {
		ok, out.Message = r.Router.Up, orDash(r.Router.Why)
		if ok {
			out.Message = "greets"
		}
	}
	out.OK = &ok
	if check == checkRouter && !r.Since.IsZero() {
		out.Since = &r.Since
	}
	return out
}

// checkOf is what a host's report says of a check. A host without a report has
// no good checks.
func checkOf(cl topology.Cluster, name, check string) hostCheck {
	if _, router := cl.Spec.Value.Router(name); router {
		if r, live := routerReport(cl, name); live {
			return routerCheck(r, check)
		}
	}
	r, _, live := cl.ReportOf(name)
	out := hostCheck{Host: name, Check: check, Message: "not checked yet"}
	if !live {
		no := false
		out.OK, out.Message = &no, "its agent holds no lease in etcd"
		return out
	}
	for _, k := range r.Checks {
		if k.Name == check {
			out.OK, out.Since, out.Message = &k.OK, &k.Since, k.Message
		}
	}
	return out
}

func checksText(lines []hostCheck) string {
	width := 0
	for _, l := range lines {
		width = max(width, len(l.Host))
	}
	var b strings.Builder
	for _, l := range lines {
		verdict := "UNKNOWN"
		switch {
		case l.OK != nil && *l.OK:
			verdict = "OK"
		case l.OK != nil:
			verdict = "ERROR"
		}
		if l.Message != "" && l.Message != verdict {
			verdict += ": " + l.Message
		}
		since := "unknown"
		if l.Since != nil && !l.Since.IsZero() {
			since = l.Since.Local().Format("2006/01/02 15:04:05")
		}
		fmt.Fprintf(&b, "%-*s  %-11s  [last change: %s]  %s\n", width, l.Host, l.Check, since, verdict)
	}
	return b.String()
}
