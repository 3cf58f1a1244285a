package reliability

// Promise is one row of the table: what is promised, and who proves it.
type Promise struct {
	Name  string // G1, or a class of faults
	Says  string
	Tests []string // names of Go tests; each exists, or a test of this package fails
	// Faults are classes of the storm whose runs speak for the row.
	Faults []string
}

// Guarantees are the promises of the design, in its order.
var Guarantees = []Promise{
	{"G1 one acceptor", "Two hosts never acknowledge client writes at once: not with the agent killed or frozen while mysqld lives, not under one-way cuts, not after a resume.",
		[]string{"TestF06WriterCutOffFromAllClosesBeforeTheNextOpens", "TestWriterWithoutItsAgentAcknowledgesNothingAfterItsReign", "TestFenceHasTheLastWordInEveryInterleaving", "TestOpenPortClosesByItselfAndNotWhileItIsExtended", "TestStormOfSeedViolatesNothing"},
		[]string{"agent-kill", "agent-freeze", "both", "host-freeze", "hang", "cut", "cut-in", "cut-out"}},
	{"G2 nothing lost", "No acknowledged write is lost under any single fault. Under two faults never silently: the cluster stops and names the host that holds what is missing.",
		[]string{"TestTenKillsInARowLoseNothing", "TestElectionWaitsForAnAckerThatIsMissing", "TestCampaignRestsOnProof", "TestWriterToBeFetchesWhatOnlyAnotherHostHolds", "TestStormOfSeedViolatesNothing"},
		[]string{"kill", "crash", "both", "host-kill", "power"}},
	{"G3 VIPs", "A VIP is answered by at most one host, and while one host is fit it is not silent for longer than a lease, an election and a second.",
		[]string{"TestAssignmentStaysTheSameWhileItIsCarriedOut", "TestVirtualAddressIsAnsweredForOnlyWhileItIsServed", "TestReaderVIPIsGivenUpBeforeItsClaim", "TestStormOfSeedViolatesNothing"},
		[]string{"host-kill", "cable", "agent-kill", "agent-freeze"}},
	{"G4 convergence", "After a heal every replica has the same positions and the same rows, or stands in AWAITING_RECOVERY with a named cause.",
		[]string{"TestF14VanishedHostComesBackAsReaderAndTheWriterStays", "TestF01KilledWriterTakesBackTheWritesThatItsRestartCutOff", "TestEveryHostComesBackToTheWritersHistory", "TestStormOfSeedViolatesNothing"},
		[]string{"crash", "power", "host-kill", "cut"}},
	{"G6 etcd away", "An outage of etcd alone stops no writes; an outage of etcd and the loss of a database host does, safely.",
		[]string{"TestWritesGoOnWhileEtcdIsAway", "TestWritesGoOnWhileEtcdHangs", "TestWriterClosesWhenAHostIsLostWhileEtcdIsAway", "TestWriterThatAloneLostEtcdGetsNoPromise"},
		[]string{"etcd-all", "etcd-leader", "etcd-member", "etcd-cut"}},
	{"G7 switchover", "A planned switchover loses nothing; what cannot be finished is undone.",
		[]string{"TestSwitchoverMovesTheWriterAndBack", "TestSwitchoverToATargetThatCannotApplyIsUndone", "TestSwitchoverWhoseTargetDiesEndsWithAWriter", "TestSwitchoverWhoseWriterDiesEndsWithAWriter"},
		[]string{"switchover", "announce", "offline"}},
}

// Situations are the promises by what goes wrong.
var Situations = []Promise{
	{"one of: process, host, power, cut, cable", "Writes are back within a second when a mysqld dies, else within two leases and a second (one lease and a second more when etcd loses its leader with the host), on a machine that has the time and when the next writer keeps up. A storm fails when it takes longer; the one of `make test`, which any machine runs, three seconds later. Nothing acknowledged is lost.",
		[]string{"TestWriterThatLosesItsMysqldIsReplacedWithoutWaitingForTheLease", "TestF07FrozenMysqldOfTheWriterIsKilledAndReplaced", "TestWriterWhoseMysqldRestartsAtOnceHasLostItsReignAllTheSame", "TestStormOfSeedViolatesNothing"},
		[]string{"kill", "crash", "stop", "hang", "host-freeze", "host-kill", "power", "cut", "cut-in", "cut-out", "cut-pair", "cable"}},
	{"agent restarted", "The reign goes on; no change of the writer.",
		[]string{"TestAgentOfTheWriterRestartedWithinTheLeaseGoesOnWithItsReign", "TestStoppedAgentLeavesItsReignToTheNext"}, []string{"agent-restart"}},
	{"a replica fails", "Writes go on after at most a lease and a second; the writer does not change.",
		[]string{"TestF04HungAgentOfAnAckerHoldsUpNoElection", "TestF12ReplicaThatCannotReachTheWriterServesNoReaders", "TestStormOfSeedViolatesNothing"}, []string{"kill", "host-kill", "disk-stall"}},
	{"max_connections used up", "A full server is no dead server: no change of the writer.",
		[]string{"TestFullServerIsNotDead", "TestF11WriterWithoutAFreeConnectionStaysWriter"}, []string{"connections"}},
	{"mysqld takes no new connection", "A writer whose open sessions answer, but which takes nobody new, is replaced some three seconds later; one that takes others first, under a flood of thousands a second, is not.",
		[]string{"TestF11WriterThatTakesNoNewConnectionIsReplaced", "TestF11FloodOfConnectionsIsNoFailover", "TestKnockAtAServerThatTakesOthersIsErrCrowded"}, nil},
	{"the disk of the writer full, stalled or read-only", "Another host takes over once no write there has worked for `timing.disk` (2, 5 or 10 seconds by profile), unless none is surely better off: then the writer stays and `mmmctl status` says why. Nothing acknowledged is lost.",
		[]string{"TestF11WriterWhoseDiskTakesNoWritesIsReplaced", "TestF11FullDisksOfAllHostsMoveNothing", "TestF11ReplicaWhoseDiskIsFullStandsAside", "TestStormOfSeedViolatesNothing"}, []string{"disk-full", "disk-stall", "disk-readonly"}},
	{"etcd loses a member, or its leader", "Writes go on, and the writer does not change while etcd elects: all hosts promise it to keep still.",
		[]string{"TestDeadEtcdMemberDisturbsNobody", "TestLeaderOfEtcdLeavesTheWritersHost"}, []string{"etcd-member", "etcd-leader"}},
	{"the writer and its only proof are both gone", "Writes stop. The cluster names who is missing and waits.",
		[]string{"TestElectionWaitsForAnAckerThatIsMissing", "TestClusterThatKeptNothingOpensNothingAndSaysWhy"}, nil},
}

// NotPromised is said as plainly as what is promised.
var NotPromised = []string{
	"Serializability, or any common order of reads, across replicas.",
	"Anything against a root attacker on a database host, a host that lies, or a disk that lies about a flush.",
	"That a disk which takes no writes is noticed when it holds only the binlogs, or the redo log, and not the datadir: the datadir is what is tried. Nor that a replica whose disk was full goes on at once when there is room: MariaDB itself looks again only once a minute, and sooner only when it is started anew.",
	"That every client finds the VIP at once when ARP or its announcements are lost on the way: that lasts as long as the loss, or as the neighbours remember.",
	"That a mysqld which greets newcomers over the unix socket, and over TCP refuses or forgets them, is noticed: the agent comes over the unix socket.",
	"Write service under two faults at once. Then only what must never happen is promised not to.",
	"Reads of a virtual machine that is paused from outside and resumed: it may answer with old data until its first failed renewal. It acknowledges nothing.",
}
