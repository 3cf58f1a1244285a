package ctl

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// RouterStatus is one router of Status. What the router has not said is null.
type RouterStatus struct {
	Name      string          `json:"name"`
	Address   netip.Addr      `json:"address"`
	State     topology.State  `json:"state"`
	Reason    topology.Reason `json:"reason"`
	VIPs      []HeldVIP       `json:"vips"`
	Ready     *bool           `json:"ready"` // it wants clients
	Trouble   string          `json:"trouble"`
	Epoch     *topology.Rev   `json:"epoch"`  // newest that it knows
	Writer    string          `json:"writer"` // of that epoch
	Sessions  *int            `json:"sessions"`
	Limit     *int            `json:"sessionsLimit"`
	Version   string          `json:"version"` // of mmmrouter
	Fence     string          `json:"fence"`
	Reachable bool            `json:"reachable"` // its agent holds a lease
}

// HeldVIP is a router VIP and since when a router serves it.
type HeldVIP struct {
	VIP   netip.Addr `json:"vip"`
	Since *time.Time `json:"since"` // null: unknown
}

// routerNames are the routers of the cluster file, sorted.
func routerNames(cl topology.Cluster) []string {
	var out []string
	for _, r := range cl.Spec.Value.Routers.Hosts {
		out = append(out, r.Name)
	}
	slices.Sort(out)
	return out
}

// otherRouters are the mmmrouters that are there by what they say themselves (R58),
// and that no agent tells of, sorted.
func otherRouters(cl topology.Cluster) []string {
	out := []string{}
	for _, e := range cl.Holds {
		_, listed := cl.Spec.Value.Router(e.Value.Name)
		if _, live := routerReport(cl, e.Value.Name); !live && !listed {
			out = append(out, e.Value.Name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// routerReport finds what the agent beside a router says of it.
func routerReport(cl topology.Cluster, name string) (topology.RouterReport, bool) {
	_, id, live := cl.AsRouters().ReportOf(name)
	return cl.Routers[id].Value, live
}

// scope is the cluster in which a name stands: as the routers see it when it is
// one of theirs, else as it is. The error says that nobody has the name.
func scope(cl topology.Cluster, name string) (topology.Cluster, error) {
	if _, ok := cl.Spec.Value.Router(name); ok {
		return cl.AsRouters(), nil
	}
	_, err := host(cl, name)
	return cl, err
}

// loadScope reads the cluster in which a name stands.
func (c *Ctl) loadScope(ctx context.Context, name string) (topology.Cluster, error) {
	cl, err := c.load(ctx)
	if err != nil {
		return cl, err
	}
	return scope(cl, name)
}

func routerStatus(cl topology.Cluster, name string, now time.Time) RouterStatus {
	spec, _ := cl.Spec.Value.Router(name)
	r, live := routerReport(cl, name)
	s := RouterStatus{Name: name, Address: spec.Address, Reachable: live, Fence: r.Fence, Trouble: routerTrouble(cl, name), VIPs: []HeldVIP{}}
	s.State, s.Reason = topology.Classify(cl.AsRouters(), name, now)
	for _, vip := range routerVIPsOf(cl, name) {
		held := HeldVIP{VIP: vip}
		if since := cl.RouterClaims[vip].Value.Since; !since.IsZero() {
			held.Since = &since
		}
		s.VIPs = append(s.VIPs, held)
	}
	if w := r.Says; w != nil && w.Unknown == "" {
		s.Ready, s.Epoch, s.Sessions, s.Limit, s.Writer, s.Version = &w.Ready, &w.Epoch, &w.Sessions, &w.Limit, w.Writer, w.Version
	}
	return s
}

// routerVIPsOf are the router VIPs that a router serves, sorted.
func routerVIPsOf(cl topology.Cluster, name string) []netip.Addr {
	var out []netip.Addr
	for vip, claim := range cl.RouterClaims {
		if claim.Value.Name == name {
			out = append(out, vip)
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}

// routerTrouble says what a router whose agent lives says of itself that is not
// as it should be; empty: nothing.
func routerTrouble(cl topology.Cluster, name string) string {
	r, live := routerReport(cl, name)
	w := r.Says
	switch {
	case !live || w == nil:
		return ""
	case w.Unknown != "":
		return w.Unknown
	case w.Epoch < cl.LastEpoch():
		return fmt.Sprintf("it follows epoch %d, and %d is in force: what it knows of the cluster is old, and writes through it wait", w.Epoch, cl.LastEpoch())
	case !w.Ready:
		return "it is not ready: " + w.Why
	case cl.Writer.Present() && cl.Phase.Value.Step == topology.Ready && !w.Fresh:
		return "its way to etcd is cut: writes through it wait until etcd answers it"
	default:
		return ""
	}
}

// routerProblems lists what is not as it should be with the routers' VIPs, and
// with routers that are ONLINE all the same.
func routerProblems(cl topology.Cluster) []string {
	var out, open []string
	for _, vip := range cl.Spec.Value.Routers.VIPs {
		if _, held := cl.RouterClaims[vip]; !held {
			out = append(out, fmt.Sprintf("router VIP %s is served by nobody: no router that answers is ONLINE", vip))
		}
	}
	for _, name := range routerNames(cl) {
		if r, live := routerReport(cl, name); live && r.Fence == "none" {
			open = append(open, name)
		}
	}
	if len(open) > 0 {
		out = append(out, fmt.Sprintf("fence: none on %s: when the agent there hangs, two routers may answer for one VIP", strings.Join(open, ", ")))
	}
	for _, id := range slices.Sorted(maps.Keys(cl.Routers)) {
		name := cl.Routers[id].Value.Name
		if _, known := cl.Spec.Value.Router(name); !known {
			out = append(out, fmt.Sprintf("router %s is registered and not in the cluster file: add it to `routers.hosts` with `mmmctl apply`, or stop its agent", name))
		}
	}
	return out
}

// troubledRouters says of each router that is not ONLINE, or says that something
// is wrong, what it is.
func troubledRouters(cl topology.Cluster, now time.Time) []string {
	var out []string
	for _, name := range routerNames(cl) {
		state, why := topology.Classify(cl.AsRouters(), name, now)
		switch trouble := routerTrouble(cl, name); {
		case state != topology.Online:
			out = append(out, fmt.Sprintf("%s is %s: %s", name, state, why))
		case trouble != "":
			out = append(out, fmt.Sprintf("%s: %s", name, trouble))
		}
	}
	return out
}

// routersOut says that clients of the routers reach nobody, or nothing.
func routersOut(cl topology.Cluster) string {
	if len(cl.Spec.Value.Routers.VIPs) == 0 || len(cl.RouterClaims) > 0 {
		return ""
	}
	return "no router serves: who connects through " + joinVIPs(cl.Spec.Value.Routers.VIPs) + " reaches nobody"
}

func joinVIPs(vips []netip.Addr) string {
	var out []string
	for _, v := range vips {
		out = append(out, v.String())
	}
	return strings.Join(out, ", ")
}

// writeRouters prints the table of routers, if there are any.
func writeRouters(w *strings.Builder, routers []RouterStatus, now time.Time) {
	if len(routers) == 0 {
		return
	}
	w.WriteString("\n")
	var rows [][]string
	for _, r := range routers {
		rows = append(rows, routerRow(r, now))
	}
	writeTable(w, []string{"ROUTER", "STATE", "VIPS", "READY", "EPOCH", "SESSIONS", "VERSION", "WHY"}, rows)
}

// routerRow is a router's line of the table. What is unknown is "?", never 0.
func routerRow(r RouterStatus, now time.Time) []string {
	ready, epoch, sessions := "?", "?", "?"
	if r.Ready != nil {
		ready, epoch, sessions = strings.ToLower(yesNo(*r.Ready)), fmt.Sprint(*r.Epoch), fmt.Sprintf("%d of %d", *r.Sessions, *r.Limit)
		if *r.Limit == 0 {
			sessions = fmt.Sprint(*r.Sessions)
		}
	}
	var vips []string
	for _, v := range r.VIPs {
		vips = append(vips, heldText(v, now))
	}
	why := r.Trouble
	if r.State != topology.Online {
		why = string(r.Reason)
	}
	return []string{r.Name, string(r.State), orDash(strings.Join(vips, " ")), ready, epoch, sessions, orDash(r.Version), why}
}

func heldText(v HeldVIP, now time.Time) string {
	if v.Since == nil {
		return v.VIP.String()
	}
	return fmt.Sprintf("%s (%s)", v.VIP, ago(now.Sub(*v.Since)))
}

// routerRoles are the roles of a router as MMM would write them.
func routerRoles(cl topology.Cluster, name string) string {
	var out []string
	for _, vip := range routerVIPsOf(cl, name) {
		out = append(out, fmt.Sprintf("router(%s)", vip))
	}
	return strings.Join(out, ", ")
}

// explainRouter says why a router is in its state and what it says of itself.
func explainRouter(cl topology.Cluster, name string, now time.Time) (topology.State, string) {
	s := routerStatus(cl, name, now)
	lines := []string{fmt.Sprintf("%s is %s: %s", name, s.State, s.Reason)}
	if s.Trouble != "" {
		lines = append(lines, "  "+s.Trouble)
	}
	for _, v := range s.VIPs {
		since := ""
		if v.Since != nil {
			since = " since " + ago(now.Sub(*v.Since)) + " ago"
		}
		lines = append(lines, fmt.Sprintf("  serves %s%s", v.VIP, since))
	}
	if len(s.VIPs) == 0 {
		lines = append(lines, "  serves no VIP"+elsewhere(cl))
	}
	if s.Ready != nil {
		lines = append(lines, fmt.Sprintf("  follows epoch %d, writer %s; %d of %d sessions; mmmrouter %s, fence %s",
			*s.Epoch, orDash(s.Writer), *s.Sessions, *s.Limit, orDash(s.Version), orDash(s.Fence)))
	}
	return s.State, strings.Join(lines, "\n")
}

// elsewhere says where the router VIPs are.
func elsewhere(cl topology.Cluster) string {
	var out []string
	for _, vip := range cl.Spec.Value.Routers.VIPs {
		on := "served by nobody"
		if claim, held := cl.RouterClaims[vip]; held {
			on = "on " + claim.Value.Name
		}
		out = append(out, fmt.Sprintf("%s is %s", vip, on))
	}
	if len(out) == 0 {
		return ""
	}
	return ": " + strings.Join(out, ", ")
}
