package topology

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/topology/gtid"
)

// Standing is what a host that is no writer holds, beside what the writer holds
// (R46). It decides whether the host may follow, and what must be done before.
type Standing string

// The standings. Empty: there is no writer to stand beside, or the host is it,
// or nothing is known of the host.
const (
	Behind Standing = "BEHIND"   // the writer has all that it has, and more: it follows
	Equal  Standing = "EQUAL"    // the same
	Parted Standing = "DIVERGED" // it has what the writer never had: that is taken back first
	Short  Standing = "SHORT"    // what it lacks is nowhere to be read any more: it needs a copy
)

// Judgement is a standing with its grounds.
type Judgement struct {
	Standing Standing
	GTIDs    []string // of Parted: the last of each server that the writer never had, as far as they are known
	Why      string   // one English sentence
	Named    gtid.Set // the transaction that the source itself said it never had; may be empty
}

// Bad reports whether the host cannot follow as it is.
func (j Judgement) Bad() bool { return j.Standing == Parted || j.Standing == Short }

// Past is what a host reports of its history.
type Past struct {
	State   gtid.State   `json:"state"`             // @@gtid_binlog_state
	Joints  []gtid.Joint `json:"joints,omitempty"`  // of the writer: where its last reigns met
	Foreign []string     `json:"foreign,omitempty"` // GTIDs in State that the writer never had, seen for a while
	Repair  *Repair      `json:"repair,omitempty"`  // what this host does, or cannot do, to follow again
}

// Repair is what a host says of its way back into the cluster.
type Repair struct {
	Doing   string    `json:"doing,omitempty"`   // what goes on now, in words
	Refused string    `json:"refused,omitempty"` // why it is not repaired by itself
	Archive string    `json:"archive,omitempty"` // where the transactions lie that it gave up last
	Bytes   int64     `json:"bytes,omitempty"`   // copied so far
	Total   int64     `json:"total,omitempty"`   // as far as it can be told
	Since   time.Time `json:"since,omitzero"`
	Away    bool      `json:"away,omitempty"` // its data are about to be replaced: nobody is to count on it
	Old     string    `json:"old,omitempty"`  // data from before that a copy replaced and that were kept, and why
}

// Judge says how a host stands beside the present writer. It is a function of
// what both report; a host itself confirms what it finds in its own binlog state
// before it reports it (Suspicion), so that two readings of different moments do
// not make a difference that is none.
func Judge(c Cluster, name string) Judgement {
	r, id, live := c.ReportOf(name)
	if !live {
		return Judgement{}
	}
	return judge(c, id, r)
}

func judge(c Cluster, id HostID, r Report) Judgement {
	line, known := LineOf(c)
	if !r.MySQL.Up || !known || c.Writer.Value.ID == id {
		return Judgement{}
	}
	writer, theirs := c.Writer.Value.Name, c.Hosts[c.Writer.Value.ID].Value
	m := c.Memories[r.Name].Value
	said := r.Replication.Error
	if w, _ := c.Spec.Value.Host(writer); r.Replication.Source != listener(w) || stale(c, r) {
		said = "" // by another source, or of another time
	}
	switch named := denied(said); {
	case len(r.Foreign) > 0:
		return Judgement{Standing: Parted, GTIDs: r.Foreign, Named: named,
			Why: fmt.Sprintf("it holds %s, which %s never had", strings.Join(r.Foreign, ", "), writer)}
	case forgets(c, said):
		return Judgement{}
	case Diverged(said) && line.Covers(named):
		return Judgement{Standing: Short, Why: fmt.Sprintf("%s has %s in its history, but no longer in its binlogs", writer, named)}
	case Diverged(said):
		return Judgement{Standing: Parted, GTIDs: strings.Fields(named.String()), Named: named,
			Why: fmt.Sprintf("%s says that it never had %s", writer, wordOr(named.String(), "what this host holds"))}
	case purged(said):
		return Judgement{Standing: Short, Why: fmt.Sprintf("%s has purged the binlogs that this host needs next", writer)}
	case m.ID == id && m.Fresh && r.Position.Empty() && r.Received.Empty():
		return Judgement{Standing: Short, Why: "its datadir is new and empty"}
	case r.Received.Contains(theirs.Position):
		return Judgement{Standing: Equal, Why: "it has all that " + writer + " has"}
	default:
		return Judgement{Standing: Behind, Why: "it lacks some of what " + writer + " has, and can fetch it"}
	}
}

// LineOf is the history of the present writer, as etcd tells it; false while
// there is none that replicas may attach to.
func LineOf(c Cluster) (gtid.Line, bool) {
	w, live := c.Hosts[c.Writer.Value.ID]
	p := c.Phase.Value
	if !c.Writer.Present() || !live || !w.Value.MySQL.Up || !c.Phase.Present() || p.Epoch != c.Epoch() || p.Step == CatchingUp {
		return gtid.Line{}, false
	}
	line := gtid.Line{Joints: w.Value.Joints, State: w.Value.State}
	if w.Value.EpochRow < c.Epoch() { // its first transaction waits for an acknowledgement
		line.Tip = c.Writer.Value.Best
	}
	return line, true
}

// Suspicion is what a host finds in its own binlog that the writer seems never
// to have had. It is believed when it has stood for a while: what the writer
// reports is a moment older than what the host reads.
type Suspicion struct {
	GTIDs []string
	Epoch Rev
	Since time.Time
}

// suspectFor is longer than a writer takes to report what it holds.
const suspectFor = 3 * time.Second

// Look compares the host's own state with the writer's line once more.
func (s Suspicion) Look(c Cluster, id HostID, mine gtid.State, now time.Time) Suspicion {
	line, ok := LineOf(c)
	switch {
	case c.Writer.Value.ID == id:
		return Suspicion{}
	case !ok:
		return s // nobody to compare with; what was believed is
	}
	found := line.ForeignIn(mine)
	switch {
	case len(found) == 0:
		return Suspicion{}
	case s.Epoch == c.Epoch() && slices.Equal(s.GTIDs, found):
		return s
	default:
		return Suspicion{GTIDs: found, Epoch: c.Epoch(), Since: now}
	}
}

// Confirmed are the GTIDs when they have been suspected long enough.
func (s Suspicion) Confirmed(now time.Time) []string {
	if len(s.GTIDs) == 0 || now.Sub(s.Since) < suspectFor {
		return nil
	}
	return s.GTIDs
}

// stale reports whether a source denied what is of its history now, while the host
// has not asked it again under its present reign: a restart had cut it off, and it
// was taken in again since (R31).
func stale(c Cluster, r Report) bool {
	line, known := LineOf(c)
	said := r.Replication.Error
	return known && r.Asked < c.Epoch() && Diverged(said) && line.Covers(denied(said)) && !forgets(c, said)
}

// ended is Broken, but for what is stale.
func ended(c Cluster, r Report) string {
	if stale(c, r) {
		return ""
	}
	return Broken(r.Replication)
}

// denied is the GTID that a source's error 1236 names.
func denied(err string) gtid.Set {
	_, rest, names := strings.Cut(err, "GTID ")
	if !names {
		return gtid.Set{}
	}
	word, _, _ := strings.Cut(rest, " ")
	set, e := gtid.Parse(strings.Trim(word, ",.;'"))
	if e != nil {
		return gtid.Set{}
	}
	return set
}

// purged reports whether a source no longer has the binlogs that a replica asks for.
func purged(err string) bool {
	return strings.Contains(err, "1236") && (strings.Contains(err, "Could not find GTID state") || strings.Contains(err, "been purged"))
}

func wordOr(word, otherwise string) string {
	if word == "" {
		return otherwise
	}
	return word
}
