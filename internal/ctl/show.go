package ctl

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// Show prints every host in MMM's own format, line by line as mmm_control did:
//
//	db1(192.0.2.161) master/ONLINE. Roles: reader(192.0.2.111), writer(192.0.2.113)
//
// Routers follow in the same format, with the word router for their mode.
// With -o json it is the document of Status.
func (c *Ctl) Show(ctx context.Context) error {
	cl, err := c.load(ctx)
	if err != nil {
		return err
	}
	return c.emit(statusOf(cl, c.now(), nil), func(w *strings.Builder) { w.WriteString(showText(cl, c.now())) })
}

func showText(cl topology.Cluster, now time.Time) string {
	var b strings.Builder
	if m := cl.Mode.Value; cl.ModeNow() == topology.Passive {
		fmt.Fprintf(&b, "# --- Monitor is in PASSIVE MODE ---\n# Cause: %s\n", cause(m))
	}
	for _, name := range hostNames(cl) {
		if _, _, live := cl.ReportOf(name); !live {
			fmt.Fprintf(&b, "# Warning: agent on host %s is not reachable\n", name)
		}
	}
	for _, name := range routerNames(cl) {
		if _, live := routerReport(cl, name); !live {
			fmt.Fprintf(&b, "# Warning: agent on router %s is not reachable\n", name)
		}
	}
	for _, name := range hostNames(cl) {
		h, _ := cl.Spec.Value.Host(name)
		state, _ := topology.Classify(cl, name, now)
		// MMM prints the blank after "Roles:" also when nothing follows it.
		fmt.Fprintf(&b, "  %s(%s) %s/%s. Roles: %s\n", name, h.Address, h.Mode, state, strings.Join(rolesOf(cl, name), ", "))
	}
	for _, name := range routerNames(cl) {
		r, _ := cl.Spec.Value.Router(name)
		state, _ := topology.Classify(cl.AsRouters(), name, now)
		fmt.Fprintf(&b, "  %s(%s) router/%s. Roles: %s\n", name, r.Address, state, routerRoles(cl, name))
	}
	if prefer := cl.Spec.Value.Roles.Writer.Prefer; prefer != "" {
		b.WriteString(preferLine("writer", prefer, cl.Writer.Value.Name))
	}
	return b.String()
}

// cause says why the cluster is passive; MMM's line is never empty.
func cause(m topology.ModeSetting) string {
	if m.Who == "" && m.Why == "" {
		return "set by an operator"
	}
	return strings.TrimPrefix(strings.TrimPrefix(signed(m.Who, m.Why), " by "), ": ")
}

// preferLine is MMM's remark on a role with a preferred host, apostrophe and all.
func preferLine(role, prefer, holder string) string {
	switch holder {
	case prefer:
		return fmt.Sprintf("# Role %s is assigned to it's preferred host %s.\n", role, prefer)
	case "":
		return fmt.Sprintf("# Role %s has %s configured as it's preferred host.\n", role, prefer)
	default:
		return fmt.Sprintf("# Role %s has %s configured as it's preferred host but is assigned to %s at the moment.\n", role, prefer, holder)
	}
}
