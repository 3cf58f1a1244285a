package data

// Env is what the world may do. It is no part of the protocol.
type Env struct {
	Tx         int8 // client transactions
	Faults     int8
	Kinds      uint8 // which faults: Mysqld, Hang, Power; 0: all
	Switchover bool  // the operator asks once for A -> B
	NoReturn   bool  // what a fault took never comes back: a stall is then "stuck although only that was lost"
	Late       bool  // a write of reign may arrive late, or again after it was given up
	Degrade    bool  // the policy lets S become empty
	NoFence1   bool  // the port outlives the lease
}

// The kinds of faults.
const (
	Mysqld uint8 = 1 << iota // mysqld dies
	Hang                     // the agent hangs or loses etcd; its mysqld lives on
	Power                    // both at once
)

// Rules are the choices of the protocol.
type Rules struct {
	Incarnation   bool // R19, R36: a reign, a bid and a won campaign belong to one incarnation of mysqld
	StopIO        bool // R11: who bids has stopped its IO thread
	OnlyIO        bool // R11: and only that one; with both stopped the relay log is dropped
	KillWaiting   bool // R12: a demotion with waiters ends mysqld; it never turns semi-sync off
	KeepTail      bool // R14, R30b: what a restart would cut off is kept, so the last writer stays proof
	LateProof     bool // R16: nobody is let in again while a put of reign that counts without him may still arrive
	Filter        bool // R21: the writer's packet filter, not the replica's agent, decides who may attach
	InSetFirst    bool // R22: a host is put into S first and attaches only then
	WidenCaught   bool // R22: an empty S is widened only by who has everything
	NarrowCaught  bool // R23: those who stay have the writer's position
	CutFirst      bool // R23: of a moment at which the leaver was cut off already
	CutAnew       bool // R23: which a position taken while he was the heir says nothing of
	FilterFirst   bool // R21, R23: and the filter is as it should be: an heir of yesterday is out
	NotItself     bool // R23: the writer is no member of S
	EmptyAfter    bool // R24: S = {} is in etcd before semi-sync is off
	FreshAckers   bool // R25: a member counts as the incarnation that S names
	Heir          bool // R25: when nobody of S is left, the new run of a member may attach before S names it
	Nudge         bool // R27: somebody who waits is released by a row of the writer's own
	BidsOfEpoch   bool // R28, R29: a bid says after which reign, and is gone before the IO thread starts
	AllOfS        bool // R30a: all but W-1 members of S, not some of them
	EmptyProves   bool // R30a: true is right: an empty S proves nothing
	LastWriter    bool // R30b: the last writer's intact binlog is proof
	BestOfProof   bool // R32: only bids that are proof decide what is best
	RowDecides    bool // R32, R38: and only those that have the reign's first transaction
	HoldBest      bool // R33: a candidate holds the best bid entirely
	GuardCampaign bool // R34: the campaign names the revisions of all that it counted
	ApplyAll      bool // R36: the winner applies its relay log before it drops the replica side
	ReignAtOpen   bool // R38: S is replaced once hosts have the epoch row, by exactly those
	ApplyFirst    bool // R40: a replica applies its relay log before it is pointed elsewhere
	AbortInEtcd   bool // R44: a switchover is undone in etcd before the old writer opens
	EarlyRejoin   bool // R46: a diverged replica may be repaired while the writer still opens
}

// Corrected keeps every rule.
func Corrected() Rules {
	return Rules{
		Incarnation: true, StopIO: true, OnlyIO: true, KillWaiting: true, KeepTail: true, LateProof: true, Filter: true,
		InSetFirst: true, WidenCaught: true, NarrowCaught: true, CutFirst: true, CutAnew: true, FilterFirst: true, NotItself: true, EmptyAfter: true,
		FreshAckers: true, Heir: true, Nudge: true, BidsOfEpoch: true, AllOfS: true, EmptyProves: true, LastWriter: true,
		BestOfProof: true, RowDecides: true, HoldBest: true, GuardCampaign: true, ApplyAll: true, ReignAtOpen: true, ApplyFirst: true,
		AbortInEtcd: true, EarlyRejoin: true,
	}
}
