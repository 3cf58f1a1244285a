package history

import "time"

// Time is a reading of CLOCK_BOOTTIME in nanoseconds. Zero: never.
type Time int64

// Sub is the duration from u to t.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Add is the time d later.
func (t Time) Add(d time.Duration) Time { return t + Time(d) }

// Outcome is how an operation ended. The zero value is invalid.
type Outcome string

// The outcomes.
const (
	OK      Outcome = "ok"
	Fail    Outcome = "fail"    // it certainly did not happen
	Unknown Outcome = "unknown" // it may have happened, or may happen yet
)

// Verb is what an operation does.
type Verb string

// The verbs. Insert, Transfer and Probe write one row (Client, ID) each.
const (
	Insert   Verb = "insert"   // one row, one statement
	Transfer Verb = "transfer" // money from one account to another, and a row, in one transaction
	Total    Verb = "total"    // sum of all accounts in one statement; Value is the sum
	Set      Verb = "set"      // register Key := Value
	Get      Verb = "get"      // register Key; Value is what was read
	OwnSet   Verb = "own-set"  // likewise of a register that no other client writes, through a router
	OwnGet   Verb = "own-get"  // likewise
	Where    Verb = "where"    // which server answers; Value is its id
	Probe    Verb = "probe"    // an insert past the VIPs, on the host's own address
)

// Op is one operation of a client.
type Op struct {
	Client  string  `json:"client"`
	ID      uint64  `json:"id"` // per client, never used again
	Do      Verb    `json:"do"`
	Route   string  `json:"route"`           // writer, the address of a reader VIP, or for a probe the host
	Round   uint64  `json:"round,omitempty"` // of probes that were sent at the same moment
	Key     string  `json:"key,omitempty"`
	Value   int64   `json:"value,omitempty"`
	Call    Time    `json:"call"`
	Return  Time    `json:"return"`
	Outcome Outcome `json:"outcome"`
	Why     string  `json:"why,omitempty"` // the error, when not OK
}

// Writes reports whether the operation leaves a row (Client, ID).
func (o Op) Writes() bool { return o.Do == Insert || o.Do == Transfer || o.Do == Probe }

// Address is a change of the addresses of a host, as the kernel told it.
type Address struct {
	T    Time   `json:"t"`
	Host string `json:"host"`
	Addr string `json:"addr"`
	Gone bool   `json:"gone,omitempty"`
}

// ARP is one question for a VIP from a host that has no part in the cluster,
// and the hosts that answered it, by their hardware addresses.
type ARP struct {
	Call   Time     `json:"call"`
	Return Time     `json:"return"`
	VIP    string   `json:"vip"`
	Hosts  []string `json:"hosts,omitempty"`
}

// Stall is a moment in which a program that does nothing but wake up regularly woke up
// late: the machine was too busy for everybody.
type Stall struct {
	T  Time          `json:"t"`  // when it woke up
	By time.Duration `json:"by"` // how late
}

// State is what stood in etcd from a moment on.
type State struct {
	T      Time              `json:"t"`
	Rev    int64             `json:"rev"`
	Epoch  int64             `json:"epoch,omitempty"` // 0: no writer
	Writer string            `json:"writer,omitempty"`
	Phase  string            `json:"phase,omitempty"`
	Reign  int64             `json:"reign,omitempty"`  // epoch of the reign record
	Ackers []string          `json:"ackers,omitempty"` // names, sorted
	Claims map[string]string `json:"claims,omitempty"` // reader VIP to host
	Order  string            `json:"order,omitempty"`  // step of an open switchover
	Hosts  map[string]string `json:"hosts,omitempty"`  // state and reason of each host
}

// Fault is something that was done to the bed, and what was seen of it.
type Fault struct {
	ID     int    `json:"id"`
	Strike int    `json:"strike"` // faults of one strike overlap
	Class  string `json:"class"`
	Host   string `json:"host"`
	Detail string `json:"detail,omitempty"`
	Writer string `json:"writer"` // who reigned when it began

	Begin    Time `json:"begin"`
	Verified Time `json:"verified,omitempty"` // a probe had shown that it bites
	Lifted   Time `json:"lifted,omitempty"`
	Healed   Time `json:"healed,omitempty"`  // the same probe had shown that it is over
	Settled  Time `json:"settled,omitempty"` // the cluster was whole again

	Evidence  string `json:"evidence,omitempty"`  // what the probe saw while it was on
	Error     string `json:"error,omitempty"`     // it could not be done, or did not bite, or did not heal
	Unsettled string `json:"unsettled,omitempty"` // what was still missing when patience ended

	// What the class of the fault allows.
	Failovers int `json:"failovers"` // changes of the writer, at most
	// Without an acknowledged write through the writer VIP, or that of the routers; a
	// VIP that nobody answers. 0: no limit.
	GapLimit    time.Duration `json:"gapLimit,omitempty"`
	RoutedLimit time.Duration `json:"routedLimit,omitempty"`
	VIPLimit    time.Duration `json:"vipLimit,omitempty"`
}

// Final is one server at the end, after everything settled.
type Final struct {
	Host      string            `json:"host"`
	Position  string            `json:"position"`
	ReadOnly  bool              `json:"readOnly"`
	EpochRow  int64             `json:"epochRow"` // highest epoch in its own table
	Total     int64             `json:"total"`    // of all accounts
	Checksums map[string]string `json:"checksums"`
	VIPs      []string          `json:"vips,omitempty"` // addresses on its interface, its own left out
}

// Rows are the rows of one client on one server at the end.
type Rows struct {
	Host   string   `json:"host"`
	Client string   `json:"client"`
	IDs    []uint64 `json:"ids"` // sorted; one that stands twice is there twice
}

// Commit is one transaction of a server's binlog, in the order of that log.
type Commit struct {
	Host   string  `json:"host"` // whose binlog
	GTID   string  `json:"gtid"`
	Server uint32  `json:"server"` // where it came from
	Seq    uint64  `json:"seq"`
	Epoch  int64   `json:"epoch,omitempty"`  // it is the row that begins this reign
	Client bool    `json:"client,omitempty"` // it writes a table of the clients
	Rows   []RowID `json:"rows,omitempty"`
}

// RowID is the identity of a row that a client wrote.
type RowID struct {
	Client string `json:"c"`
	ID     uint64 `json:"i"`
}

// Host is a machine of the run.
type Host struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	Server  uint32 `json:"server,omitempty"` // id of its mysqld; 0: it has none
}

// Run is the run as a whole.
type Run struct {
	Seed       uint64        `json:"seed"`
	Commit     string        `json:"commit"`
	Replay     string        `json:"replay"` // command line
	Profile    string        `json:"profile"`
	TTL        time.Duration `json:"ttl"`
	Machine    string        `json:"machine,omitempty"`
	Wall       time.Time     `json:"wall"` // wall clock at Began
	Began      Time          `json:"began"`
	Ended      Time          `json:"ended"`
	Hosts      []Host        `json:"hosts"`
	WriterVIPs []string      `json:"writerVIPs"`
	ReaderVIPs []string      `json:"readerVIPs"`
	Total      int64         `json:"total"`             // of all accounts, always
	MinRate    float64       `json:"minRate"`           // acknowledged writes a second below which the run proves nothing
	Stopped    []string      `json:"stopped,omitempty"` // why it ended before its time, or saw less than it should
}

// History is everything, each list in the order of the observer that wrote it.
type History struct {
	Run       Run
	Ops       []Op
	Addresses []Address
	ARPs      []ARP
	Stalls    []Stall
	States    []State
	Faults    []Fault
	Finals    []Final
	Rows      []Rows
	Commits   []Commit
}

// Names are the hosts that have a database.
func (h *History) Names() []string {
	var names []string
	for _, host := range h.Run.Hosts {
		if host.Server != 0 {
			names = append(names, host.Name)
		}
	}
	return names
}
