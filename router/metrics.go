package router

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/mmm-ha/mmm/internal/version"
	"github.com/mmm-ha/mmm/router/tally"
)

// metrics are read when they are asked for: nothing is kept twice, and serving a
// statement touches nothing but the counts of its session. No label has a user or
// the text of a statement in it: there may be any number of them.
func (r *Router) metrics() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collector{r})
	return reg
}

// collector reads a router for Prometheus.
type collector struct{ r *Router }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("mmm_router_"+name, help, labels, nil)
}

var (
	descBuild       = desc("build_info", "Which build this is; always 1.", "version", "goversion")
	descReady       = desc("ready", "1 when clients should be sent here, as /readyz says.")
	descConnections = desc("connections", "Connections of clients, by what they do.", "phase")
	descPinned      = desc("sessions_pinned", "Sessions that are tied to their writer connection, by reason.", "reason")
	descInTrans     = desc("sessions_in_transaction", "Sessions in a transaction.")
	descLimit       = desc("connections_limit", "Sessions that may be logged in at the same time.")
	descAccepted    = desc("accepted_total", "Connections that were accepted.")
	descRejects     = desc("rejects_total", "Connections and logins that were refused by a limit, by reason.", "reason")
	descEnded       = desc("ended_total", "Statements and sessions that the router ended, by reason.", "reason")
	descQueries     = desc("queries_total", "Statements that have ended, by who answered.", "target")
	descErrors      = desc("query_errors_total", "Statements that ended with an error, by who answered.", "target")
	descDuration    = desc("query_duration_seconds", "Time from the statement to the end of its answer, by who answered.", "target")
	descRereads     = desc("read_retries_total", "Times that a read was sent again because its server went away before it answered.")
	descRetries     = desc("reader_write_retries_total", "Statements that a reader refused as read-only and the writer answered.")
	descHeld        = desc("held_total", "Statements that waited for a writer.")
	descHeldTime    = desc("held_seconds_total", "Time that statements waited for a writer.")
	descHolding     = desc("holding", "Statements that wait for a writer now.")
	descHoldBytes   = desc("holding_bytes", "Size of the statements that wait for a writer now.")
	descBytes       = desc("bytes_total", "Bytes from and to clients.", "direction")
	descSlow        = desc("slow_log_lines_total", "Lines for the slow log, by whether they were written or dropped.", "outcome")
	descDigests     = desc("digests", "Kinds of statements that are counted apart.")
	descEpoch       = desc("topology_epoch", "Epoch of the writer that the router knows.")
	descWriter      = desc("has_writer", "1 when there is a writer and a write may begin.")
	descFresh       = desc("topology_fresh_seconds", "How long writes may still begin with what is known now.")
	descReader      = desc("reader_eligible", "1 when the host is read from.", "host")
	descLag         = desc("reader_lag_seconds", "How far behind the writer the host is.", "host")
	descLatency     = desc("reader_latency_seconds", "How long the host takes to answer.", "host")
	descInFlight    = desc("reader_in_flight", "Statements that the host works on for this router.", "host")
	descAccounts    = desc("accounts", "Users that the router knows, and so can log in at readers.")
	descAccountsAt  = desc("accounts_read_timestamp_seconds", "When the accounts of the servers were last read; 0: never.")
	descFailures    = desc("server_failures_total", "Connections to the host that could not be made, or broke.", "host")
	descReloaded    = desc("config_last_reload_successful", "1 when the file was taken the last time it was read.")
	descCert        = desc("certificate_expiry_timestamp_seconds", "When the certificate that clients are shown ends to be valid.")
)

// Describe sends nothing: what is collected depends on what there is.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the router.
func (c collector) Collect(out chan<- prometheus.Metric) {
	e := exposition{out}
	e.gauge(descBuild, 1, version.String(), runtime.Version())
	e.gauge(descReady, yes(c.r.Ready() == nil))
	e.gauge(descReloaded, yes(!c.r.unread.Load()))
	c.collectSessions(e)
	c.collectStatements(e)
	if c.r.opt.Cluster != nil {
		c.collectCluster(e, c.r.opt.Cluster())
	}
	if c.r.opt.Accounts != nil {
		c.collectAccounts(e, c.r.opt.Accounts())
	}
	if end := c.r.front.expires(); !end.IsZero() {
		e.gauge(descCert, float64(end.Unix()))
	}
}

func (c collector) collectSessions(e exposition) {
	phases, pins, inTransaction := map[Phase]int{}, map[string]int{}, 0
	for _, l := range c.r.sessions.all() {
		s := l.session.State()
		phases[s.Phase]++
		for _, pin := range s.Pins {
			pins[pin]++
		}
		if s.InTransaction {
			inTransaction++
		}
	}
	for p := LoggingIn; p <= Held; p++ {
		e.gauge(descConnections, float64(phases[p]), p.String())
	}
	for pin, n := range pins {
		e.gauge(descPinned, float64(n), pin)
	}
	e.gauge(descInTrans, float64(inTransaction))
	e.gauge(descLimit, float64(c.r.config.Load().Limits.Connections))
	e.counter(descAccepted, float64(c.r.counts.accepted.Load()))
	refusals, endings := c.r.counts.read()
	for reason, n := range refusals {
		e.counter(descRejects, float64(n), reason)
	}
	for reason, n := range endings {
		e.counter(descEnded, float64(n), reason)
	}
}

func (c collector) collectStatements(e exposition) {
	totals := c.r.sessions.totals()
	for _, t := range tally.Targets() {
		of := totals.Of(t)
		e.counter(descQueries, float64(of.Statements), t.String())
		e.counter(descErrors, float64(of.Errors), t.String())
		buckets, sum := map[float64]uint64{}, uint64(0)
		for i, bound := range tally.Bounds {
			sum += of.Times[i]
			buckets[bound.Seconds()] = sum
		}
		e.out <- prometheus.MustNewConstHistogram(descDuration, sum+of.Times[len(tally.Bounds)], of.Sum.Seconds(), buckets, t.String())
	}
	e.counter(descRereads, float64(totals.Rereads))
	e.counter(descRetries, float64(totals.Retried))
	e.counter(descHeld, float64(totals.Held))
	e.counter(descHeldTime, totals.HeldFor.Seconds())
	e.counter(descBytes, float64(totals.Received), "received")
	e.counter(descBytes, float64(totals.Sent), "sent")
	written, dropped := c.r.board.Slow.Counts()
	e.counter(descSlow, float64(written), "written")
	e.counter(descSlow, float64(dropped), "dropped")
	e.gauge(descDigests, float64(len(c.r.digests())))
}

func (c collector) collectCluster(e exposition, v Cluster) {
	e.gauge(descEpoch, float64(v.Epoch))
	e.gauge(descWriter, yes(v.Writer != "" && v.Fresh))
	e.gauge(descFresh, max(v.FreshFor, 0).Seconds())
	e.gauge(descHolding, float64(v.HeldStatements))
	e.gauge(descHoldBytes, float64(v.HeldBytes))
	for _, r := range v.Readers {
		e.gauge(descReader, yes(r.Eligible), r.Host)
		e.gauge(descLag, r.Lag.Seconds(), r.Host)
		e.gauge(descLatency, r.Latency.Seconds(), r.Host)
		e.gauge(descInFlight, float64(r.InFlight), r.Host)
	}
	for host, n := range v.Failures {
		e.counter(descFailures, float64(n), host)
	}
}

func (c collector) collectAccounts(e exposition, a Accounts) {
	e.gauge(descAccounts, float64(a.Known))
	read := 0.0
	if !a.Read.IsZero() {
		read = float64(a.Read.Unix())
	}
	e.gauge(descAccountsAt, read)
}

// exposition sends values.
type exposition struct{ out chan<- prometheus.Metric }

func (e exposition) gauge(d *prometheus.Desc, v float64, labels ...string) {
	e.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (e exposition) counter(d *prometheus.Desc, v float64, labels ...string) {
	e.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

func yes(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// expires is when the certificate ends to be valid; zero without one.
func (f *front) expires() time.Time {
	if conf := f.config(); conf != nil {
		return leafOf(conf).NotAfter
	}
	return time.Time{}
}
