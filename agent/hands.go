package agent

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/internal/fence"
	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// The hands of the agent, as narrow as it uses them. Each has a fake in the
// tests and one real implementation.

// database is the local mysqld. Every verb verifies what it did.
type database interface {
	Observe(ctx context.Context) (topology.Probe, error)
	Knock(ctx context.Context) error
	SetReadOnly(ctx context.Context) error
	SetWritable(ctx context.Context, inc topology.Incarnation) error
	StopIO(ctx context.Context) error
	StartSQL(ctx context.Context) error
	WaitApplied(ctx context.Context, pos gtid.Set) error
	EnsureTables(ctx context.Context) error
	BecomeSource(ctx context.Context) error
	LeaveSource(ctx context.Context) error
	Follow(ctx context.Context, from dbops.Source) error
	SetSemiReplica(ctx context.Context, on bool) error
	Reattach(ctx context.Context) error
	WriteEpochRow(ctx context.Context, inc topology.Incarnation, row topology.EpochRow, jump uint64) (gtid.Set, error)
	WriteNudge(ctx context.Context, inc topology.Incarnation) error
	DisconnectReplica(ctx context.Context, addr netip.Addr) (int, error)
	KillIdleClients(ctx context.Context) (int, error)
	Rewind(ctx context.Context, r dbops.Rewind) (dbops.Rewound, error)
	WaitForNobody(ctx context.Context) error
	WaitAgain(ctx context.Context) (gtid.Set, error)
	TakePosition(ctx context.Context, datadir string, state gtid.State) error
	Replay(ctx context.Context, datadir string, run topology.Incarnation) error
}

// addresses are the VIPs of this host.
type addresses interface {
	Reconcile(ctx context.Context, want []netip.Addr, left time.Duration) error
	Extend(ctx context.Context, left time.Duration) error
	Drop(ctx context.Context, addrs ...netip.Addr) error
	Clear(ctx context.Context) error
	Held() []netip.Addr
	Probe(ctx context.Context, addr netip.Addr, wait time.Duration) (net.HardwareAddr, error)
}

// ports are our rules in the kernel's packet filter.
type ports interface {
	Reject(ctx context.Context, addrs []netip.Addr, port uint16) error
	Refuse(ctx context.Context, addrs []netip.Addr, port uint16) error
}

// gate is the fence on the client port; a writer's lifetime is the lease's (R8).
type gate interface {
	Kind() string
	State() fence.State
	Keep(ctx context.Context, l fence.Layout) error
	Open(ctx context.Context, left time.Duration) error
	OpenForReaders(ctx context.Context) error
	Extend(ctx context.Context, left time.Duration) error
	Close(ctx context.Context) error
}

// registry is etcd, as far as the agent writes there.
type registry interface {
	Load(ctx context.Context) (topology.Cluster, error)
	PutReport(ctx context.Context, lease topology.LeaseID, id topology.HostID, r topology.Report) (topology.Rev, error)
	PutBid(ctx context.Context, lease topology.LeaseID, id topology.HostID, b topology.Bid, g store.Guards) (topology.Rev, error)
	DeleteBid(ctx context.Context, id topology.HostID, rev topology.Rev) (topology.Rev, error)
	Campaign(ctx context.Context, r store.CampaignRequest) (topology.Rev, error)
	Retake(ctx context.Context, r store.CampaignRequest, reign topology.Reign) (topology.Rev, error)
	PutPhase(ctx context.Context, lease topology.LeaseID, epoch topology.Rev, p topology.Phase) (topology.Rev, error)
	PutReign(ctx context.Context, epoch, prev topology.Rev, r topology.Reign) (topology.Rev, error)
	AdvanceSwitchover(ctx context.Context, epoch, prev topology.Rev, s topology.Switchover) (topology.Rev, error)
	HandOver(ctx context.Context, epoch topology.Rev, order topology.Entry[topology.Switchover], target topology.Writer, lease topology.LeaseID) (topology.Rev, error)
	DropWriter(ctx context.Context, epoch topology.Rev) (topology.Rev, error)
	PutTombstone(ctx context.Context, epoch, prev topology.Rev, t topology.Tombstone) (topology.Rev, error)
	PutMemory(ctx context.Context, name string, prev topology.Rev, m topology.Memory) (topology.Rev, error)
	EndRejoin(ctx context.Context, name string, rev topology.Rev) (topology.Rev, error)
	ClaimVIP(ctx context.Context, lease topology.LeaseID, vip netip.Addr, c topology.Claim) (topology.Rev, error)
	ReleaseVIP(ctx context.Context, vip netip.Addr, rev topology.Rev) (topology.Rev, error)
	AppendEvent(ctx context.Context, actor topology.HostID, e topology.Event) error
}
