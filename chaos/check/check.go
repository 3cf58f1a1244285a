package check

import (
	"fmt"
	"sort"

	"github.com/mmm-ha/mmm/chaos/history"
)

// maxViolations keeps the report of a lost table readable.
const maxViolations = 20

// Finding is what one checker found.
type Finding struct {
	Checked    int      `json:"checked"` // things looked at: operations, intervals, faults
	Violations []string `json:"violations,omitempty"`
	More       int      `json:"more,omitempty"`      // violations beyond those listed
	Undecided  []string `json:"undecided,omitempty"` // questions that could not be answered
}

// violate adds a sentence.
func (f *Finding) violate(format string, args ...any) {
	if len(f.Violations) >= maxViolations {
		f.More++
		return
	}
	f.Violations = append(f.Violations, fmt.Sprintf(format, args...))
}

// Count is how many violations there are, listed or not.
func (f Finding) Count() int { return len(f.Violations) + f.More }

// Checker is one thing that must be true of every history.
type Checker struct {
	Name  string // one word or two, for tables
	Claim string // what must be true, a sentence
	run   func(*history.History) Finding
}

// Verdict is a checker and what it found.
type Verdict struct {
	Name  string `json:"name"`
	Claim string `json:"claim"`
	Finding
}

// Checkers are all of them, the gravest first.
var Checkers = []Checker{
	{"one acceptor", "No write that began after a later reign had acknowledged one was acknowledged by an earlier reign.", oneAcceptor},
	{"probes", "Of the writes sent to all servers at the same moment, past the VIPs, at most one is accepted.", oneProbe},
	{"kept", "Every acknowledged row stands exactly once on every server; no refused row and no row that nobody sent stands anywhere.", kept},
	{"logs", "In every binlog the clients' transactions between two epoch rows come from the server of that reign; one GTID names the same rows everywhere.", logs},
	{"bank", "Every snapshot of the accounts, on the writer and on every reader, has the same sum.", bank},
	{"register", "Reads and writes of the registers through the writer VIP are linearizable.", register},
	{"own reads", "A client of a router reads what the same session has written, or newer.", ownReads},
	{"readers", "Readers among the clients of a router are answered by hosts that are in service, or by the writer.", readFrom},
	{"one answer", "No VIP is ever answered by two hosts; no VIP stands on two interfaces for longer than the kernel's whole seconds allow.", oneAnswer},
	{"equal", "In the end all servers have the same position and the same rows, and one of them is writable.", equal},
	{"keys", "In the end etcd names one writer in phase ready, whose epoch every server has; every VIP is claimed once and stands where it is claimed; nothing is left of an order.", keys},
	{"settled", "After every strike the cluster became whole again within its time.", settled},
	{"failovers", "The writer changed at most once per fault that hits it, and never without one.", failovers},
	{"gaps", "No gap of writes and no silence of a VIP is longer than the class of the fault allows.", gaps},
}

// All runs every checker.
func All(h *history.History) []Verdict {
	verdicts := make([]Verdict, 0, len(Checkers))
	for _, c := range Checkers {
		verdicts = append(verdicts, Verdict{c.Name, c.Claim, c.run(h)})
	}
	return verdicts
}

// Violated counts the violations of all verdicts.
func Violated(verdicts []Verdict) int {
	n := 0
	for _, v := range verdicts {
		n += v.Count()
	}
	return n
}

// strike is one or two faults that overlap, and the time until the next strike.
type strike struct {
	faults    []history.Fault
	from, to  history.Time // begin of the first fault, begin of the next strike (or the end of the run)
	failovers int          // allowed
}

// strikes groups the faults, in order of time.
func strikes(h *history.History) []strike {
	byID := map[int]*strike{}
	var all []*strike
	for _, f := range h.Faults {
		s := byID[f.Strike]
		if s == nil {
			s = &strike{from: f.Begin}
			byID[f.Strike], all = s, append(all, s)
		}
		s.faults = append(s.faults, f)
		s.from = min(s.from, f.Begin)
		s.failovers += f.Failovers
	}
	sort.Slice(all, func(i, j int) bool { return all[i].from < all[j].from })
	out := make([]strike, len(all))
	for i, s := range all {
		s.to = h.Run.Ended
		if i+1 < len(all) {
			s.to = all[i+1].from
		}
		out[i] = *s
	}
	return out
}

// String names the faults of a strike.
func (s strike) String() string {
	text := ""
	for i, f := range s.faults {
		if i > 0 {
			text += " with "
		}
		text += f.Class + " on " + f.Host
	}
	return text
}

// at is a time as seconds since the run began.
func at(h *history.History, t history.Time) string {
	return fmt.Sprintf("%.3fs", t.Sub(h.Run.Began).Seconds())
}
