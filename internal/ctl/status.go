package ctl

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// Status is the JSON document of `mmmctl status` and `mmmctl show`.
type Status struct {
	document
	Cluster   string               `json:"cluster"`
	Verdict   Verdict              `json:"verdict"`
	Summary   string               `json:"summary"`
	Problems  []string             `json:"problems"`
	Mode      topology.ModeSetting `json:"mode"`
	Epoch     topology.Rev         `json:"epoch"` // 0: no writer
	Writer    string               `json:"writer"`
	Phase     topology.Step        `json:"phase"`
	CanLose   CanLose              `json:"canLose"`
	Order     *topology.Switchover `json:"order"` // one that is still open
	Hosts     []HostStatus         `json:"hosts"`
	Routers   []RouterStatus       `json:"routers"`
	Others    []string             `json:"otherRouters"` // mmmrouters that no agent stands beside
	LastEvent *topology.Event      `json:"lastEvent"`

	general []string // of Problems, those that the table does not show
}

// CanLose is what may go, one after the other, before writes stop.
type CanLose struct {
	Hosts int  `json:"databaseHosts"`
	Etcd  *int `json:"etcdMembers"` // null: not counted
}

// HostStatus is one host of Status.
type HostStatus struct {
	Name       string            `json:"name"`
	Address    netip.Addr        `json:"address"`
	Mode       topology.HostMode `json:"mode"`
	Role       string            `json:"role"` // writer, reader or empty
	Roles      []string          `json:"roles"`
	State      topology.State    `json:"state"`
	Reason     topology.Reason   `json:"reason"`
	Lag        *float64          `json:"lagSeconds"` // null: unknown, or the writer
	GTID       string            `json:"gtid"`
	VIPs       []netip.Addr      `json:"vips"`
	Fence      string            `json:"fence"`
	Version    string            `json:"version"`
	Reachable  bool              `json:"reachable"` // its agent holds a lease
	CannotLead string            `json:"cannotLead"`
	Repairing  bool              `json:"repairing,omitempty"` // it copies another host, or the like; the reason says how far it is
}

// Status prints one sentence for people, what is wrong, a table of hosts,
// one of routers, and the last event. With check it returns an error of exit code 10 or 11 when the
// verdict is WARN or CRIT; without, a bad verdict is no error.
func (c *Ctl) Status(ctx context.Context, check bool) error {
	cl, err := c.load(ctx)
	if err != nil {
		return err
	}
	doc := statusOf(cl, c.now(), c.quorum(ctx))
	if doc.LastEvent, err = c.lastEvent(ctx); err != nil {
		return err
	}
	if err := c.emit(doc, func(w *strings.Builder) { c.writeStatus(w, doc) }); err != nil {
		return err
	}
	switch {
	case check && doc.Verdict == Warn:
		return &Error{Exit: ExitWarn, Text: ""}
	case check && doc.Verdict == Crit:
		return &Error{Exit: ExitCrit, Text: ""}
	default:
		return nil
	}
}

// quorum counts etcd's members; one that cannot be counted is left out of the
// sentence rather than guessed.
func (c *Ctl) quorum(ctx context.Context) *Quorum {
	if c.Members == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	q, err := c.Members(ctx)
	if err != nil {
		c.note("etcd's members could not be counted: %v", err)
		return nil
	}
	return &q
}

func (c *Ctl) lastEvent(ctx context.Context) (*topology.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	events, err := c.Store.Events(ctx, time.Time{}, 1)
	if err != nil || len(events) == 0 {
		return nil, err
	}
	return &events[len(events)-1], nil
}

func statusOf(cl topology.Cluster, now time.Time, quorum *Quorum) Status {
	a := assess(cl, now, quorum)
	doc := Status{
		document: kind("Status"), Cluster: cl.Spec.Value.Cluster, Verdict: a.verdict, Summary: a.summary,
		Problems: append(append([]string{}, a.problems...), a.hosts...), general: a.problems, Mode: cl.Mode.Value, Epoch: cl.Epoch(), Writer: cl.Writer.Value.Name,
		Phase: cl.Phase.Value.Step, CanLose: CanLose{Hosts: a.canLose},
	}
	doc.Mode.Mode = cl.ModeNow()
	if quorum != nil {
		spare := max(quorum.Spare(), 0)
		doc.CanLose.Etcd = &spare
	}
	if o := cl.Switchover; o.Present() && o.Value.Step.Open() {
		doc.Order = &o.Value
	}
	for _, name := range hostNames(cl) {
		doc.Hosts = append(doc.Hosts, hostStatus(cl, name, now))
	}
	doc.Routers, doc.Others = []RouterStatus{}, otherRouters(cl)
	for _, name := range routerNames(cl) {
		doc.Routers = append(doc.Routers, routerStatus(cl, name, now))
	}
	return doc
}

func hostStatus(cl topology.Cluster, name string, now time.Time) HostStatus {
	h, _ := cl.Spec.Value.Host(name)
	r, _, live := cl.ReportOf(name)
	s := HostStatus{
		Name: name, Address: h.Address, Mode: h.Mode, Roles: rolesOf(cl, name), VIPs: vipsOf(cl, name),
		GTID: r.Position.String(), Fence: r.Fence, Version: r.Version, Reachable: live, CannotLead: cmp.Or(r.Unable, h.Barred()),
	}
	s.State, s.Reason = topology.Classify(cl, name, now)
	s.Repairing = r.Repair != nil && r.Repair.Doing != ""
	if s.Roles == nil {
		s.Roles = []string{}
	}
	switch {
	case cl.Writer.Present() && cl.Writer.Value.Name == name:
		s.Role = "writer"
	case len(s.Roles) > 0:
		s.Role = "reader"
	}
	if r.Lag != nil && s.Role != "writer" {
		seconds := r.Lag.D().Seconds()
		s.Lag = &seconds
	}
	return s
}

func (c *Ctl) writeStatus(w *strings.Builder, doc Status) {
	fmt.Fprintf(w, "%s: %s: %s\n", doc.Verdict, doc.Cluster, doc.Summary)
	for _, p := range doc.general {
		fmt.Fprintf(w, "  ! %s\n", p)
	}
	if o := doc.Order; o != nil {
		fmt.Fprintf(w, "  > %s to %s ordered %s ago%s: step %s\n", o.Kind, o.Target, ago(c.now().Sub(o.Asked)), signed(o.Who, o.Why), o.Step)
	}
	w.WriteString("\n")
	var rows [][]string
	for _, h := range doc.Hosts {
		rows = append(rows, hostRow(h))
	}
	writeTable(w, []string{"HOST", "ROLE", "STATE", "LAG", "GTID", "VIPS", "WHY"}, rows)
	writeRouters(w, doc.Routers, c.now())
	if len(doc.Others) > 0 {
		fmt.Fprintf(w, "\nmmmrouters without an agent beside them, and so without a VIP: %s\n", strings.Join(doc.Others, ", "))
	}
	if e := doc.LastEvent; e != nil {
		fmt.Fprintf(w, "\nLast event %s ago: %s: %s\n", ago(c.now().Sub(e.At)), e.Host, eventText(*e))
	}
}

// hostRow is a host's line of the table. What is unknown is "?", never 0.
func hostRow(h HostStatus) []string {
	lag := "?"
	switch {
	case h.Role == "writer":
		lag = "-"
	case h.Lag != nil:
		lag = fmt.Sprintf("%.1fs", *h.Lag)
	}
	var vips []string
	for _, v := range h.VIPs {
		vips = append(vips, v.String())
	}
	why := ""
	if h.State != topology.Online || h.Repairing {
		why = string(h.Reason)
	}
	return []string{h.Name, orDash(h.Role), string(h.State), lag, orDash(clip(h.GTID)), orDash(strings.Join(vips, " ")), why}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// clip keeps the end of a long position, where its numbers differ.
func clip(s string) string {
	const most = 32
	if len(s) <= most {
		return s
	}
	return "..." + s[len(s)-most+3:]
}
