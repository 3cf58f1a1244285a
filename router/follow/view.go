package follow

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// Host is a database server as clients reach it.
type Host struct {
	Name    string
	Address netip.AddrPort
}

// Reader is a host that may be read from.
type Reader struct {
	Host
	Weight  int
	Applied gtid.Set      // what its report said it has
	Lag     time.Duration // behind the writer
}

// Excluded is a host that is not read from now.
type Excluded struct {
	Host
	Why string
}

// View is what the router believes of the cluster. It never changes; the next one
// takes its place.
type View struct {
	Epoch   topology.Rev // highest ever seen (R56)
	Writer  Host         // of Epoch, once its phase is ready; else the zero Host
	Why     string       // why there is no writer, or why it is not written to
	Held    bool         // a planned switchover is under way: write nothing new (R58)
	Readers []Reader     // by name

	Excluded []Excluded // the other hosts but the writer, by name

	order order        // for which it is Held
	asked topology.Rev // revision of an order that waits for this router to hold; 0: none
	ask   *asked       // who knows whether the writer still reigns; nil: nobody

	next chan struct{}
}

// Next is closed when another View has taken this one's place.
func (v *View) Next() <-chan struct{} { return v.next }

// judge makes a View of a snapshot. highest is the highest epoch seen before.
func judge(c topology.Cluster, highest topology.Rev, now time.Time, maxLag time.Duration) *View {
	v := &View{Epoch: max(highest, c.LastEpoch()), next: make(chan struct{})}
	spec := c.Spec.Value
	v.ask = askable(c)
	v.findWriter(c)
	for _, h := range spec.Hosts {
		if c.Writer.Present() && c.Writer.Value.Name == h.Name {
			continue
		}
		host := Host{Name: h.Name, Address: netip.AddrPortFrom(h.Address, h.Port)}
		report, _, live := c.ReportOf(h.Name)
		if why := unfit(c, h.Name, report, live, now, maxLag); why != "" {
			v.Excluded = append(v.Excluded, Excluded{host, why})
			continue
		}
		v.Readers = append(v.Readers, Reader{Host: host, Weight: max(h.Weight, 1), Applied: report.Position, Lag: report.Lag.D()})
	}
	slices.SortFunc(v.Readers, func(a, b Reader) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(v.Excluded, func(a, b Excluded) int { return strings.Compare(a.Name, b.Name) })
	return v
}

// unfit says why a host is not read from; empty: it is.
func unfit(c topology.Cluster, name string, report topology.Report, live bool, now time.Time, maxLag time.Duration) string {
	state, why := topology.Classify(c, name, now)
	switch {
	case state != topology.Online:
		return fmt.Sprintf("it is %s: %s", state, why)
	case !live || report.Lag == nil:
		return "nobody knows how far behind it is"
	case maxLag > 0 && report.Lag.D() > maxLag:
		return fmt.Sprintf("its lag of %s is more than %s (readers.maxLag)", report.Lag.D().Round(time.Millisecond), maxLag)
	default:
		return ""
	}
}

// findWriter says who may be written to, and if nobody, why.
func (v *View) findWriter(c topology.Cluster) {
	name := c.Writer.Value.Name
	phase := c.Phase.Value
	host, known := c.Spec.Value.Host(name)
	switch {
	case !c.Spec.Present():
		v.Why = "etcd knows no cluster of this name: run mmmctl apply"
	case !c.Writer.Present():
		v.Why = "there is no writer; one is being elected"
	case c.Writer.Rev < v.Epoch:
		v.Why = fmt.Sprintf("etcd shows epoch %d, but epoch %d was seen: it went back", c.Writer.Rev, v.Epoch)
	case !known:
		v.Why = "the writer " + name + " is not in the cluster file"
	case !c.Phase.Present() || phase.Epoch != 0 && phase.Epoch != c.Writer.Rev || phase.Step != topology.Ready:
		v.Why = name + " is becoming the writer"
	default:
		v.Writer = Host{Name: name, Address: netip.AddrPortFrom(host.Address, host.Port)}
	}
	s := c.Switchover.Value
	if v.Writer.Name != "" && c.Switchover.Present() && s.Kind == topology.OrderSwitchover && s.Step.Open() && s.Epoch == c.Writer.Rev {
		v.Held, v.Why, v.order = true, "the writer is being moved to "+s.Target, orderOf(s)
		if s.Step == topology.Asked {
			v.asked = c.Switchover.Rev
		}
	}
}

// distrust takes everything out of a View that only an etcd may say that is believed.
func (v *View) distrust(why string) {
	v.Writer, v.Held, v.asked, v.ask, v.Why = Host{}, false, 0, nil, why
}

// NewView makes a View of its parts, for those who follow something else than etcd.
func NewView(v View) *View {
	v.next = make(chan struct{})
	return &v
}

// Replaced says that another View has taken this one's place.
func (v *View) Replaced() { close(v.next) }
