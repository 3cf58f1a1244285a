package topology

import (
	"net/netip"
	"time"

	"github.com/mmm-ha/mmm/topology/gtid"
)

// View is all that a decision may see: what etcd says, what the mysqld of this
// host says, how long this host's lease still lasts, and the time. It is a
// value; Decide never changes it.
type View struct {
	Now     time.Time
	Self    string // name of this host
	ID      HostID
	Agent   string // this process; a writer key won by another process is not ours (R18)
	Cluster Cluster
	Probe   Probe
	Lease   Lease
	Term    Term
	VIPs    []netip.Addr // addresses of ours that are up on this host
	Port    Port         // how the port that clients use stands
	Busy    []Kind       // actions in flight in this process
	Seen    Seen
	Router  bool // it stands beside an mmmrouter and not a mysqld; Cluster is AsRouters, Probe that of the router

	Failsafe Failsafe // how it goes on without etcd

	memo *memo // what this decision has worked out already; Decide makes it
}

// Probe is one reading of the local mysqld: facts, no judgement.
type Probe struct {
	At          time.Time
	Incarnation Incarnation // empty: no process
	PID         int
	Up          bool   // the process answers; false with a Why when it does not
	Missed      bool   // the last look had no answer: all that stands here is of an earlier one
	Why         string // cause, in words for an operator
	Version     string
	ServerID    uint32
	ReadOnly    bool
	Position    gtid.Set // @@gtid_binlog_pos
	Applied     gtid.Set // @@gtid_slave_pos joined with Position
	Received    gtid.Set // the relay log's end joined with Position
	Replication Replication
	SemiSource  bool         // rpl_semi_sync_master_enabled
	Waiting     int          // sessions that wait for an acknowledgement
	Epoch       EpochRow     // highest row of mmm.epoch; zero when there is none
	State       gtid.State   // @@gtid_binlog_state
	Joints      []gtid.Joint // of the last reigns whose rows are in mmm.epoch
	Unfinished  bool         // a rewind, or the replacing of all data, was begun and must be ended first
	Clone       Clone        // how far a copy of another host is
	NoData      bool         // no process, and the datadir holds no data
	Space       Space        // for copies
	NoTools     string       // why copies can be neither given nor taken; empty: they can
	Problems    []string     // settings that forbid managing this server, each with its fix
	Kept        []Kept       // earlier runs of which nothing is lost, newest first
	Disk        Disk         // of the datadir, whether or not mysqld runs
	Says        *RouterWord  // of the mmmrouter that is looked at in place of a mysqld
}

// EpochRow is the first transaction of a reign, as the database keeps it (R17, R37).
type EpochRow struct {
	Cluster string
	Epoch   Rev
	ID      HostID
	GTID    gtid.Set
	Base    gtid.Set // the position directly before the row
}

// Lease is how this host stands with etcd.
type Lease struct {
	ID   LeaseID
	Left time.Duration // until the deadline of R1; not positive: gone or too late
	TTL  time.Duration // granted
}

// Term is a reign that this process won or resumed. Zero: none.
type Term struct {
	Epoch       Rev
	Incarnation Incarnation // of mysqld when the reign was won (R19)
	Ending      bool        // being given up: nothing but fencing happens under it
}

// Seen is what this process remembers between two views. It is lost with the
// process, and nothing safe may depend on its being kept, but for Epoch.
type Seen struct {
	Epoch    Rev                 // highest ever, from the state directory and the database (R17)
	Rev      Rev                 // of the last thing that this process wrote; an older view is not acted upon
	Ended    Rev                 // highest epoch whose key this process has seen deleted
	Good     time.Time           // since when this host has replicated well without a break; zero: it does not
	Acked    time.Time           // when the epoch row of this term was acknowledged; zero: not yet
	Waiting  time.Time           // since when somebody has waited for an acknowledgement; zero: nobody does
	Order    time.Time           // when the present order was first seen; limits count from here, on this clock
	Drained  time.Time           // when this writer stopped writing for a switchover; zero: it did not
	Cut      map[HostID]gtid.Set // ackers cut off by this writer, and its position right after (R23)
	Guard    gtid.Set            // where a writer that was alone stood when it began to wait for somebody again (R22)
	GuardOf  HostID              // for whom; empty: it waits for nobody
	Rejected netip.Addr          // deposed writer whose address is rejected in our port rules (R11)
	Failed   map[Kind]Failure    // last failure of an action, until it succeeds
	Suspect  Suspicion           // what this host seems to hold that the writer never had
	Refused  Refusal             // the repair that could not be made, and why
	InDoubt  bool                // a put of reign may still arrive that nobody knows the outcome of (R16)
	Shunned  []netip.Addr        // replicas that may not attach to this writer's listener (R21)
	Top      Rev                 // highest revision of etcd that this process has seen (R17)
	Reign    Entry[Reign]        // newest record of a reign, from an etcd that was believed
	Distrust Distrust            // etcd is not believed, from the state directory
	Offered  []HostID            // voters of a record that this writer sent and whose fate it does not know (R16, R50)
	Left     map[netip.Addr]Rev  // reader VIPs whose address this process took down to give them up, with the claim that they were served by (R54)
	Asked    Rev                 // last reign whose writer this process pointed its mysqld at
	Unknown  Rev                 // epoch after which this process asked for the writer's place without learning the outcome (R51)
}

// Refusal is a repair that is not possible. It is not tried again until what it
// was about has changed.
type Refusal struct {
	Of      string // verdict and kind of repair
	Why     string
	Archive string // where the transactions lie that it was about, if they could be archived
}

// Failure is an action that did not work, so that it is tried again with a
// pause instead of at once.
type Failure struct {
	At   time.Time
	Why  string
	Unit string // what it was about; another unit is not held back by it
}
