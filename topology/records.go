package topology

import (
	"net/netip"
	"time"

	"github.com/mmm-ha/mmm/topology/gtid"
)

// Rev is a revision of etcd. Zero means "the key is absent".
type Rev int64

// LeaseID is the id of an etcd lease. Zero means "no lease".
type LeaseID int64

// HostID is the uuid that a host made when it joined; it is kept in the datadir
// and survives a change of name. The name is only a label.
type HostID string

// Incarnation names one run of one mysqld: boot id, pid and start time. Two
// different values never share memory, so nothing that the first one promised
// (an acknowledgement, a received relay log) may be expected of the second.
type Incarnation string

// Entry is a value of etcd with what a guard needs to know of it.
type Entry[T any] struct {
	Value T       `json:"value"`
	Rev   Rev     `json:"rev"`             // ModRevision; 0 when absent
	Lease LeaseID `json:"lease,omitempty"` // lease that the key hangs on
}

// Present reports whether the key exists.
func (e Entry[T]) Present() bool { return e.Rev > 0 }

// ModeSetting is key mode.
type ModeSetting struct {
	Mode  Mode      `json:"mode"`
	Who   string    `json:"who,omitempty"`
	Why   string    `json:"why,omitempty"`
	Since time.Time `json:"since"`
}

// Intent is key intent/<name>: what the operator says of a host.
type Intent struct {
	Want  Want      `json:"want"`
	Who   string    `json:"who,omitempty"`
	Why   string    `json:"why,omitempty"`
	Since time.Time `json:"since"`
}

// Want is online or offline.
type Want string

// The two wishes an operator can have of a host.
const (
	WantOnline  Want = "online"
	WantOffline Want = "offline"
)

// Memory is key memory/<name>: what the agent of a host must not forget.
type Memory struct {
	ID      HostID      `json:"id"`             // which host bears the name
	Key     string      `json:"key,omitempty"`  // public key by which others know what it says without etcd
	Cleared Incarnation `json:"cleared"`        // the mysqld that is trusted; another one is AWAITING_RECOVERY
	Seen    Incarnation `json:"seen,omitempty"` // the mysqld that Since speaks of
	Since   time.Time   `json:"since"`          // when Seen was first met, not cleared
	Why     string      `json:"why,omitempty"`
	Asked   Rev         `json:"asked,omitempty"`   // of a set-online that counts though this was written after it
	Fresh   bool        `json:"fresh,omitempty"`   // it came with an empty datadir while others had data (R48)
	Verdict string      `json:"verdict,omitempty"` // why it cannot follow, last said; empty: it can
	Void    *Void       `json:"void,omitempty"`    // of what its acknowledgements prove nothing
	Flaps   []time.Time `json:"flaps,omitempty"`   // when it left ONLINE unasked, newest last
}

// Void says that a host gave up what it had received, so that under that mysqld
// and that reign it proves nothing any more (R40).
type Void struct {
	Incarnation Incarnation `json:"incarnation"`
	Reign       Rev         `json:"reign"`
}

// Report is key hosts/<id>: facts that a host says of itself, never verdicts.
type Report struct {
	Name        string      `json:"name"`
	Address     netip.Addr  `json:"address"`
	Peer        uint16      `json:"peer,omitempty"` // port where its agent answers those that lost etcd
	Lease       LeaseID     `json:"lease"`          // for a hand-over
	Fence       string      `json:"fence"`          // kind of port fence; "none" is said loudly
	Version     string      `json:"version,omitempty"`
	ServerID    uint32      `json:"serverId,omitempty"`
	Incarnation Incarnation `json:"incarnation,omitempty"`
	MySQL       Health      `json:"mysql"`
	ReadOnly    bool        `json:"readOnly"`
	Replication Replication `json:"replication"`
	Position    gtid.Set    `json:"position"`           // @@gtid_binlog_pos
	Received    gtid.Set    `json:"received"`           // what the relay log and the binlog hold together
	EpochRow    Rev         `json:"epochRow,omitempty"` // highest epoch whose row this host has received
	Stuck       bool        `json:"stuck,omitempty"`    // of a writer: somebody waits although it has nudged (R27)
	Lag         *Duration   `json:"lag,omitempty"`      // nil: unknown, which is never zero
	Awaits      gtid.Set    `json:"awaits,omitzero"`    // of a writer: what it waits for until somebody has received it (R22, R23)
	Asked       Rev         `json:"asked,omitempty"`    // last reign whose writer it was pointed at by this run of the agent
	Reached     gtid.Set    `json:"reached,omitzero"`   // what the writer awaits, once it is received here
	Halt        *Distrust   `json:"halt,omitempty"`     // it does not believe this etcd
	Unable      string      `json:"unable,omitempty"`   // why this host cannot be writer; empty: it can
	Disk        Disk        `json:"disk,omitzero"`      // of the datadir
	Checks      []Check     `json:"checks,omitempty"`   // with hysteresis, counted by the host itself

	Space   Space  `json:"space,omitzero"`    // what a copy takes, and what is free for one
	NoTools string `json:"noTools,omitempty"` // why this host can give no copy and take none; empty: it can

	Says *RouterWord `json:"says,omitempty"` // of a router's report on its way to its own key

	Past // what it holds, beside what the writer holds
}

// Health is what the probe of mysqld found.
type Health struct {
	Up  bool   `json:"up"`
	Why string `json:"why,omitempty"` // cause when it is not
}

// Replication is the replica side of a host.
type Replication struct {
	Configured bool   `json:"configured"`
	Source     string `json:"source,omitempty"` // address:port
	IO         string `json:"io,omitempty"`     // Yes, No, Connecting, Preparing
	SQL        bool   `json:"sql"`
	Semi       bool   `json:"semi"`               // rpl_semi_sync_slave_enabled
	Attached   bool   `json:"attached,omitempty"` // Rpl_semi_sync_slave_status
	Error      string `json:"error,omitempty"`

	Delay Duration `json:"delay,omitempty"` // by which it applies later on purpose
}

// Check is one of MMM's checks: ping, mysql, rep_threads, rep_backlog.
type Check struct {
	Name    string    `json:"name"`
	OK      bool      `json:"ok"`
	Since   time.Time `json:"since"` // last change
	Message string    `json:"message,omitempty"`
}

// Writer is key writer, put exactly once per reign (R15). Its Rev is the epoch.
type Writer struct {
	ID       HostID   `json:"id"`
	Name     string   `json:"name"`
	Best     gtid.Set `json:"best"`     // what the winner must hold before it opens
	Previous Rev      `json:"previous"` // epoch before; a handed-over or lost reign
	Agent    string   `json:"agent"`    // the process that won, so that no other adopts it (R18)
}

// Phase is key phase, on the writer's lease.
type Phase struct {
	Epoch       Rev         `json:"epoch"`
	Step        Step        `json:"step"`
	Incarnation Incarnation `json:"incarnation"`
	Position    gtid.Set    `json:"position"`          // of the epoch row, from opening on
	Waiting     string      `json:"waiting,omitempty"` // for whom, when it waits
}

// Step is how far a reign has come.
type Step string

// The steps of a reign, in order.
const (
	CatchingUp Step = "catching-up" // the winner applies its relay log
	Opening    Step = "opening"     // replicas may attach; the epoch row waits for an acknowledgement
	Ready      Step = "ready"       // clients may write
)

// Reign is key reign (R20), put by the writer only.
type Reign struct {
	Epoch       Rev                    `json:"epoch"`
	ID          HostID                 `json:"id"`
	Name        string                 `json:"name"`
	Incarnation Incarnation            `json:"incarnation"`
	Start       gtid.Set               `json:"start"`  // position of the epoch row
	Ackers      map[HostID]Incarnation `json:"ackers"` // S
	W           int                    `json:"w"`
	Voters      []HostID               `json:"voters"`
	Before      []Rev                  `json:"before,omitempty"` // its earlier epochs, when it was taken again (R52); the first of them has Start
	Closed      *gtid.Set              `json:"closed,omitempty"` // last position of a clean stop (R60)
	Alone       time.Time              `json:"alone,omitzero"`   // since when nobody acknowledges (R24)
}

// Bid is key bids/<id> (R28).
type Bid struct {
	After       Rev         `json:"after"` // epoch of the reign that ended
	Name        string      `json:"name"`
	Incarnation Incarnation `json:"incarnation"`
	Received    gtid.Set    `json:"received"` // frozen: the IO thread is stopped
	Unable      string      `json:"unable,omitempty"`
	Broken      string      `json:"broken,omitempty"` // replication had failed before: Received is no proof
	Kept        *Kept       `json:"kept,omitempty"`   // what this host has of the run of its mysqld that the last reign rests on
}

// Kept is a run of mysqld that has ended and of which nothing is lost (R14, R31):
// the server has all of it, or lacks only what was kept of its log files, which
// goes on exactly where the server ends.
type Kept struct {
	Run    Incarnation `json:"run"`
	Beyond gtid.Set    `json:"beyond"` // the end of what the server lacks; empty: it lacks nothing
}

// Claim is key readers/<vip>, and router-vips/<vip>.
type Claim struct {
	ID    HostID    `json:"id"`
	Name  string    `json:"name"`
	Since time.Time `json:"since,omitzero"` // when it was made, by the clock of that host
}

// Pin is key pins/<vip>: the operator wants the VIP there.
type Pin struct {
	Host  string    `json:"host"`
	Who   string    `json:"who,omitempty"`
	Why   string    `json:"why,omitempty"`
	Since time.Time `json:"since"`
}

// Switchover is key switchover: one order of the operator and how far it is (R41-R45).
type Switchover struct {
	Kind     OrderKind  `json:"kind"`
	Target   string     `json:"target"`
	Step     SwitchStep `json:"step"`
	Epoch    Rev        `json:"epoch"` // of the reign that it ends; 0 for init
	Deadline time.Time  `json:"deadline"`
	Position gtid.Set   `json:"position"` // where the old writer stopped
	Outcome  string     `json:"outcome,omitempty"`
	Who      string     `json:"who,omitempty"`
	Why      string     `json:"why,omitempty"`
	Asked    time.Time  `json:"asked"`
	Loss     *Loss      `json:"loss,omitempty"` // of OrderFailover: what the operator accepted to lose
}

// OrderKind says what the operator asked for.
type OrderKind string

// The orders.
const (
	OrderSwitchover OrderKind = "switchover" // planned, a writer lives
	OrderElect      OrderKind = "elect"      // there is no writer and the mode elects none by itself
	OrderInit       OrderKind = "init"       // the first writer of a new cluster (R61)
	OrderFailover   OrderKind = "failover"   // nothing is proven, and the operator accepted the loss (R30)
)

// SwitchStep is how far an order is.
type SwitchStep string

// The steps of an order.
const (
	Asked       SwitchStep = "asked"
	Drained     SwitchStep = "drained"
	TargetReady SwitchStep = "target-ready"
	Handed      SwitchStep = "handed"
	Done        SwitchStep = "done"
	Aborted     SwitchStep = "aborted"
)

// Open reports whether the order still waits for somebody.
func (s SwitchStep) Open() bool { return s != Done && s != Aborted && s != "" }

// Event is key events/<unix-ns>-<uuid>: what was decided, why, by whom.
type Event struct {
	At    time.Time `json:"at"`
	Host  string    `json:"host"`
	Epoch Rev       `json:"epoch,omitempty"`
	What  string    `json:"what"` // one English sentence
	Why   string    `json:"why,omitempty"`
}
