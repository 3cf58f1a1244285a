package topology

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/mmm-ha/mmm/topology/gtid"
)

// Kind is what an Action does.
type Kind string

// The actions. A lane runs one at a time; lanes run side by side, and an
// action of LaneFence ends the others first.
const (
	// LaneFence: they close, and nothing may hold them up.
	Demote   Kind = "demote"    // port, VIPs and read_only closed; SIGKILL when that is not confirmed in time (R12)
	EndReign Kind = "end-reign" // Demote, then the writer key deleted (R8, R13)

	// LaneServer: they change what mysqld does.
	PlaceBid     Kind = "bid"             // reject the old writer, stop the IO thread, publish the frozen position (R11, R28)
	Fetch        Kind = "fetch"           // withdraw the bid, take the difference from another host, bid anew (R33)
	Replay       Kind = "replay"          // take in what a crash cut off and was kept (R31)
	Campaign     Kind = "campaign"        // the guarded transaction of R34
	Adopt        Kind = "adopt"           // take over a reign that was handed to this host (R43)
	Retake       Kind = "retake"          // put the writer key again that etcd let go of, while promises last (R52)
	WaitApplied  Kind = "wait-applied"    // the relay log is applied (R36)
	BecomeSource Kind = "become-source"   // RESET SLAVE ALL, semi-sync on (R36)
	PutPhase     Kind = "put-phase"       // the reign goes one step on
	OpenDoor     Kind = "open"            // port, read_only=0, VIP, phase ready (R39)
	LeaveSource  Kind = "leave-source"    // semi-sync off on a host that is no longer writer
	Follow       Kind = "follow"          // replicate from the writer
	StartSQL     Kind = "start-sql"       // the SQL thread runs while the IO thread lives
	Rewind       Kind = "rewind"          // archive what the writer never had, and go back to before (R47)
	ReplaceData  Kind = "replace"         // stop mysqld, put a copy in place of its data, start it, set its positions (R48)
	SetSemi      Kind = "set-semi"        // acknowledge, or stop acknowledging (R22, R39)
	SetSource    Kind = "set-source"      // commits wait for acknowledgements, or no longer (R22, R24)
	Drain        Kind = "drain"           // planned switchover: stop writing here (R42)
	StopForOrder Kind = "target-ready"    // planned switchover: this host has everything (R42)
	HandOver     Kind = "hand-over"       // planned switchover: the key changes hands (R43)
	Undo         Kind = "undo"            // planned switchover: back to before (R44)
	Reattach     Kind = "reattach"        // connect once by file and position: releases who waits for ever (R27)
	WriteRow     Kind = "write-epoch-row" // LaneRow: waits for an acknowledgement (R37)
	Nudge        Kind = "nudge"           // LaneRow: releases who waits in vain (R27)

	// LaneRecord: they write down.
	Remember Kind = "remember"  // memory/<host>
	PutReign Kind = "put-reign" // acker set, voters (R20, R22, R23, R38)
	SetShun  Kind = "set-shun"  // who may not attach to this writer's listener (R21)
	CutAcker Kind = "cut-acker" // end a replica's admission and connection (R21, R23)
	Settle   Kind = "settle"    // close an order (R45)
	Bury     Kind = "bury"      // a tombstone names a host less, or goes

	LoseTrust Kind = "lose-trust" // look at etcd once more and keep on disk that it went back (R17)
	Trust     Kind = "trust"      // an operator has looked: believe etcd again

	EndRejoin Kind = "end-rejoin" // the order to bring this host back is over

	// LaneVIP: they move addresses.
	ClaimVIP  Kind = "claim"    // readers/<vip>, then the address
	GiveUpVIP Kind = "give-up"  // the address, then readers/<vip>
	SetVIPs   Kind = "set-vips" // the addresses that this host answers for

	// LaneClone: they touch nothing that the server uses.
	CloneHost Kind = "clone"     // fetch and prepare a copy of another host
	DropData  Kind = "drop-data" // remove a copy that is not wanted, or the data from before

	// LaneVIP, too: they move the port of a host that is not the writer.
	OpenReaders Kind = "open-for-readers" // without end, after read_only was read once more (R9)
	ClosePort   Kind = "close-port"
)

// Lane is a queue of one.
type Lane int

// The lanes, most urgent first.
const (
	LaneFence Lane = iota + 1
	LaneServer
	LaneRow
	LaneRecord
	LaneVIP
	LaneClone // may take hours; nothing waits for it
)

// Lane says which queue the kind waits in.
func (k Kind) Lane() Lane {
	switch k {
	case Demote, EndReign:
		return LaneFence
	case WriteRow, Nudge:
		return LaneRow
	case Remember, PutReign, CutAcker, SetShun, Settle, LoseTrust, Trust, EndRejoin, Bury:
		return LaneRecord
	case ClaimVIP, GiveUpVIP, SetVIPs, OpenReaders, ClosePort:
		return LaneVIP
	case CloneHost, DropData:
		return LaneClone
	default:
		return LaneServer
	}
}

// Action is one thing to do now, with the rule that asked for it and why. It
// holds all that carrying it out needs, so that it is void when the facts it
// was decided on are gone: every write to etcd is guarded by Epoch or Guards.
type Action struct {
	Kind Kind
	Rule string // name of the row of Rules
	Why  string // one English sentence

	Epoch    Rev          // of the reign that it belongs to
	Host     string       // the other host, by name
	HostID   HostID       // the other host
	Addr     netip.Addr   // address of the other host
	Port     uint16       // its replication listener
	VIPs     []netip.Addr // for LaneVIP, OpenDoor and Drain
	Shun     []netip.Addr // replicas that may not attach, for OpenDoor, CutAcker and SetShun
	Position gtid.Set
	Jump     uint64    // sequence number of the epoch row (R37)
	On       bool      // for SetSemi and SetSource
	Line     gtid.Line // for Rewind: of the writer
	OnlyOwn  bool      // for Rewind: nothing but the cluster's own rows
	Of       string    // for Rewind: what it repairs, for Refusal; for CloneHost the cluster's id; for ReplaceData why the data from before are kept
	Key      string    // for CloneHost: public key of the other host
	Bid      *Bid      // own bid to withdraw first (R29)
	BidRev   Rev       // of it; of the order, for EndRejoin, CloneHost and ReplaceData
	Guards   Guards
	Phase    *Phase
	Reign    *Reign
	Memory   *Memory
	Order    *Switchover
	Distrust *Distrust
	Lease    LeaseID // of the target, for HandOver
	Kept     *Kept   // for Replay

	Tombstone    *Tombstone // for Bury, and for Campaign by an accepted loss
	TombstoneRev Rev
}

// Guards are the revisions that a campaign was decided on (R34). Zero: absent.
type Guards struct {
	Reign, Spec, Mode, Intent, Order, Memory Rev
	Bids                                     map[HostID]Rev
}

// String is the line that stories and logs show.
func (a Action) String() string {
	var b strings.Builder
	b.WriteString(string(a.Kind))
	if a.Host != "" {
		fmt.Fprintf(&b, " %s", a.Host)
	}
	for _, v := range a.VIPs {
		fmt.Fprintf(&b, " %s", v)
	}
	switch {
	case a.Phase != nil:
		fmt.Fprintf(&b, " %s", a.Phase.Step)
	case a.Reign != nil:
		fmt.Fprintf(&b, " ackers=%d", len(a.Reign.Ackers))
	case a.Order != nil:
		fmt.Fprintf(&b, " %s", a.Order.Step)
	case (a.Kind == SetSemi || a.Kind == SetSource) && a.On:
		b.WriteString(" on")
	case a.Kind == SetSemi || a.Kind == SetSource:
		b.WriteString(" off")
	}
	return b.String()
}

// Unit names what the action is about, so that a failure of one thing does not
// hold back another of the same kind.
func (a Action) Unit() string { return fmt.Sprintf("%s/%d", a.String(), a.Epoch) }
