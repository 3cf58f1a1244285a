package sim

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// job is an action with what the agent knew when it began.
type job struct {
	topology.Action
	lease   topology.LeaseID // 0: none to count on
	cluster topology.Cluster
	probe   topology.Probe
	term    step.Term
}

// hand says how an action is done, as the table of the agent does.
type hand struct {
	do    func(a *agent, p *proc, l *limit, j job) (step.Note, error)
	limit time.Duration
	fresh bool
}

const (
	limitServer  = 5 * time.Second
	limitWait    = 2 * time.Second
	limitRow     = 30 * time.Second
	limitRewind  = 15 * time.Minute
	limitReplay  = 30 * time.Second
	patience     = time.Second
	patienceLate = 80 * time.Millisecond
)

// hands mirrors agent/act.go; the steps of each are those of agent/act_*.go.
var hands map[topology.Kind]hand

func init() { //nolint:gochecknoinits // the hands refer to the table through the agent
	hands = map[topology.Kind]hand{
		topology.Demote:       {(*agent).demote, limitServer, true},
		topology.EndReign:     {(*agent).endReign, limitServer, true},
		topology.PlaceBid:     {(*agent).placeBid, limitServer, true},
		topology.Fetch:        {(*agent).fetch, limitServer, true},
		topology.Replay:       {(*agent).replay, limitReplay, true},
		topology.Bury:         {(*agent).bury, limitEtcd, false},
		topology.Campaign:     {(*agent).campaigns, limitEtcd, false},
		topology.Adopt:        {(*agent).adopt, limitEtcd, false},
		topology.Retake:       {(*agent).retake, limitEtcd, false},
		topology.WaitApplied:  {(*agent).waitApplied, limitWait, true},
		topology.BecomeSource: {(*agent).becomeSource, limitServer, true},
		topology.PutPhase:     {(*agent).putPhase, limitEtcd, false},
		topology.WriteRow:     {(*agent).writeRow, limitRow, true},
		topology.Nudge:        {(*agent).nudge, limitRow, true},
		topology.PutReign:     {(*agent).putReign, limitEtcd, false},
		topology.OpenDoor:     {(*agent).openDoor, limitServer, true},
		topology.SetSource:    {(*agent).setSource, limitServer, true},
		topology.SetShun:      {(*agent).setShun, limitServer, false},
		topology.CutAcker:     {(*agent).cutAcker, limitServer, false},
		topology.Remember:     {(*agent).remembers, limitEtcd, false},
		topology.Settle:       {(*agent).settle, limitEtcd, false},
		topology.Drain:        {(*agent).drain, limitServer, true},
		topology.StopForOrder: {(*agent).stopForOrder, limitServer, true},
		topology.HandOver:     {(*agent).handOver, limitEtcd, true},
		topology.Undo:         {(*agent).settle, limitEtcd, false},
		topology.LeaveSource:  {(*agent).leaveSource, limitServer, true},
		topology.StartSQL:     {(*agent).startSQL, limitServer, true},
		topology.Follow:       {(*agent).follow, limitServer, true},
		topology.Reattach:     {(*agent).reattach, limitServer, true},
		topology.SetSemi:      {(*agent).setSemi, limitServer, true},
		topology.ClaimVIP:     {(*agent).claimVIP, limitServer, false},
		topology.GiveUpVIP:    {(*agent).giveUpVIP, limitServer, false},
		topology.SetVIPs:      {(*agent).setVIPs, limitServer, false},
		topology.OpenReaders:  {(*agent).openReaders, limitServer, false},
		topology.ClosePort:    {(*agent).closePort, limitServer, false},
		topology.Rewind:       {(*agent).rewind, limitRewind, true},
		topology.LoseTrust:    {(*agent).loseTrust, limitEtcd, false},
		topology.Trust:        {(*agent).trust, limitEtcd, false},
		topology.EndRejoin:    {(*agent).endRejoin, limitEtcd, false},
	}
}

func (a *agent) hostAt(addr netip.Addr) *host {
	for _, h := range a.w.hosts {
		if h.address == addr {
			return h
		}
	}
	return nil
}

// placeBid stops the IO thread, sees it stopped, and publishes the position (R11, R28).
func (a *agent) placeBid(p *proc, l *limit, j job) (step.Note, error) {
	if j.lease == 0 {
		return nil, errNoLease
	}
	if j.Addr.IsValid() {
		a.reject(a.hostAt(j.Addr))
	}
	a.h.refuse(nil) // who lacks something may fetch it here (R33)
	if r := j.probe.Replication; r.Configured && r.IO != "No" {
		_ = a.db().startSQL(p, l) // a stopped one would hold what is not applied (R11)
	}
	return a.bid(p, l, j, *j.Bid)
}

// reject keeps this host from a deposed writer.
func (a *agent) reject(o *host) {
	a.rejected, a.h.rejects = o, o
	if o != nil && a.h.db.link != nil && a.h.db.link.from == o.db {
		a.h.db.lost("rejected")
	}
}

func (a *agent) accept(o *host) {
	if o != nil && a.rejected == o {
		a.reject(nil)
	}
}

func (a *agent) bid(p *proc, l *limit, j job, b topology.Bid) (step.Note, error) {
	if err := a.db().stopIO(p, l); err != nil {
		return nil, err
	}
	probe, err := a.db().observe(p, l)
	switch {
	case err != nil:
		return nil, err
	case probe.Incarnation != b.Incarnation:
		return nil, errors.New("mysqld was restarted before the bid was placed")
	case probe.Replication.Configured && probe.Replication.IO != "No":
		return nil, fmt.Errorf("the IO thread is %s after it was stopped", probe.Replication.IO)
	}
	b.Received = probe.Received
	if b.Broken == "" {
		b.Broken = topology.Strayed(j.cluster, a.h.id, probe)
	}
	if why := step.Dropped(j.cluster.Bids[a.h.id].Value, b); b.Broken == "" && why != "" {
		b.Broken = why
	}
	rev, err := a.reg.putBid(p, l, j.lease, b, j.cluster.Reign.Rev)
	if err != nil {
		return nil, err
	}
	return step.Wrote(rev), nil
}

// fetch takes from another host what this one lacks (R33, R29).
func (a *agent) fetch(p *proc, l *limit, j job) (step.Note, error) {
	if j.lease == 0 {
		return nil, errNoLease
	}
	if err := a.db().waitApplied(p, l, j.probe.Received); err != nil {
		return nil, err
	}
	if _, err := a.reg.deleteBid(p, l, j.BidRev); err != nil {
		return nil, err
	}
	from := a.hostAt(j.Addr)
	a.accept(from)
	if err := a.attach(p, l, from); err != nil {
		return nil, err
	}
	err := a.untilReceived(p, l, j.Position)
	note, bidErr := a.bid(p, l, j, *j.Bid)
	return note, errors.Join(err, bidErr)
}

func (a *agent) untilReceived(p *proc, l *limit, pos gtid.Set) error {
	for {
		probe, err := a.db().observe(p, l)
		switch {
		case err != nil:
			return err
		case probe.Received.Contains(pos):
			return nil
		case probe.Replication.IO == "No" && probe.Replication.Error != "":
			return errors.New(probe.Replication.Error)
		}
		if err := p.sleep(l, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

func (a *agent) attach(p *proc, l *limit, from *host) error {
	if err := a.db().setSemi(p, l, true); err != nil {
		return err
	}
	return a.db().follow(p, l, from)
}

// campaigns asks etcd for the writer's place (R34).
func (a *agent) campaigns(p *proc, l *limit, j job) (step.Note, error) {
	a.campaign++
	epoch, err := a.reg.campaign(p, l, j, topology.Writer{ID: a.h.id, Name: a.h.name, Best: j.Position, Previous: j.Epoch, Agent: a.campaignName()})
	if err != nil {
		return nil, err
	}
	return a.begins(j, epoch, epoch), nil
}

// campaignName is in no other campaign's value.
func (a *agent) campaignName() string { return fmt.Sprintf("%s/%d", a.token(), a.campaign) }

// begins makes an epoch the term of this process.
func (a *agent) begins(j job, epoch, rev topology.Rev) step.Note {
	a.remember(func(d *disk) { d.lease, d.epoch, d.inc = j.lease, epoch, j.probe.Incarnation })
	return step.Began(epoch, j.probe.Incarnation, j.lease, rev)
}

func (a *agent) forgetReign() { a.remember(func(d *disk) { d.epoch, d.inc = 0, "" }) }

func (a *agent) adopt(p *proc, l *limit, j job) (step.Note, error) {
	if j.lease == 0 {
		return nil, errNoLease
	}
	rev, err := a.reg.putPhase(p, l, j.lease, j.Epoch, topology.Phase{Epoch: j.Epoch, Step: topology.CatchingUp, Incarnation: j.probe.Incarnation})
	if err != nil {
		return nil, err
	}
	return a.begins(j, j.Epoch, rev), nil
}

func (a *agent) waitApplied(p *proc, l *limit, j job) (step.Note, error) {
	if j.Addr.IsValid() {
		a.accept(a.hostAt(j.Addr))
	}
	return nil, a.db().waitApplied(p, l, j.Position)
}

func (a *agent) becomeSource(p *proc, l *limit, _ job) (step.Note, error) {
	a.h.refuse(nil)
	if err := a.db().ensureTables(p, l); err != nil {
		return nil, err
	}
	return nil, a.db().becomeSource(p, l)
}

func (a *agent) putPhase(p *proc, l *limit, j job) (step.Note, error) {
	if j.lease == 0 {
		return nil, errNoLease
	}
	rev, err := a.reg.putPhase(p, l, j.lease, j.Epoch, *j.Phase)
	if err != nil {
		return nil, err
	}
	return step.Wrote(rev), nil
}

func (a *agent) writeRow(p *proc, l *limit, j job) (step.Note, error) {
	return nil, a.db().writeRow(p, l, j.probe.Incarnation, topology.EpochRow{Cluster: j.cluster.Spec.Value.ID, Epoch: j.Epoch, ID: a.h.id}, j.Jump)
}

func (a *agent) nudge(p *proc, l *limit, j job) (step.Note, error) {
	return nil, a.db().writeNudge(p, l, j.probe.Incarnation)
}

func (a *agent) putReign(p *proc, l *limit, j job) (step.Note, error) {
	rev, err := a.reg.putReign(p, l, j.Epoch, j.Guards.Reign, *j.Reign)
	switch {
	case errors.Is(err, errUnknown):
		return step.InDoubt, err
	case err != nil:
		return nil, err
	}
	return step.PutReign(rev), nil
}

func (a *agent) shunned(list []netip.Addr) map[*host]bool {
	out := map[*host]bool{}
	for _, addr := range list {
		out[a.hostAt(addr)] = true
	}
	return out
}

func (a *agent) setShun(_ *proc, _ *limit, j job) (step.Note, error) {
	a.h.refuse(a.shunned(j.Shun))
	return step.Shunned(j.Shun, j.cluster), nil
}

// cutAcker ends an acker's admission and connection, then reads the position (R23).
func (a *agent) cutAcker(p *proc, l *limit, j job) (step.Note, error) {
	a.h.refuse(a.shunned(j.Shun))
	probe, err := a.db().observe(p, l)
	if err != nil {
		return nil, err
	}
	return step.CutOff(j.HostID, probe.Position, j.Shun), nil
}

func (a *agent) remembers(p *proc, l *limit, j job) (step.Note, error) {
	rev, err := a.reg.putMemory(p, l, j.Guards.Memory, *j.Memory)
	if err != nil {
		return nil, err
	}
	return step.Wrote(rev), nil
}

func (a *agent) settle(p *proc, l *limit, j job) (step.Note, error) {
	rev, err := a.reg.advance(p, l, j.Epoch, j.Guards.Order, *j.Order)
	if err != nil {
		return nil, err
	}
	return step.Settled(rev), nil
}

// drain stops writing here for a planned switchover (R42).
func (a *agent) drain(p *proc, l *limit, j job) (step.Note, error) {
	if err := a.db().setReadOnly(p, l); err != nil {
		return nil, err
	}
	for _, vip := range j.VIPs {
		a.h.dropVIP(vip)
	}
	first, err := a.db().observe(p, l)
	if err != nil {
		return nil, err
	}
	again, err := a.db().observe(p, l)
	switch {
	case err != nil:
		return nil, err
	case !again.ReadOnly || !first.Position.Equal(again.Position):
		return nil, errors.New("somebody still writes")
	}
	order := *j.Order
	order.Position = again.Position
	rev, err := a.reg.advance(p, l, j.Epoch, j.Guards.Order, order)
	if err != nil {
		return nil, err
	}
	return step.Drained(rev, wall(p.now())), nil
}

func (a *agent) stopForOrder(p *proc, l *limit, j job) (step.Note, error) {
	if err := a.db().stopIO(p, l); err != nil {
		return nil, err
	}
	probe, err := a.db().observe(p, l)
	if err != nil {
		return nil, err
	}
	if !probe.Applied.Contains(j.Position) {
		return nil, fmt.Errorf("applied %s, the old writer stopped at %s", probe.Applied, j.Position)
	}
	rev, err := a.reg.advance(p, l, j.Epoch, j.Guards.Order, *j.Order)
	if err != nil {
		return nil, err
	}
	return step.Wrote(rev), nil
}

func (a *agent) handOver(p *proc, l *limit, j job) (step.Note, error) {
	rev, err := a.reg.handOver(p, l, j.Epoch, j.cluster.Switchover, topology.Writer{ID: j.HostID, Name: j.Host, Best: j.Position, Previous: j.Epoch}, j.Lease)
	if err != nil {
		return nil, err
	}
	a.forgetReign()
	return step.HandedOver(rev), nil
}

func (a *agent) leaveSource(p *proc, l *limit, _ job) (step.Note, error) {
	return nil, a.db().leaveSource(p, l)
}

func (a *agent) startSQL(p *proc, l *limit, _ job) (step.Note, error) {
	return nil, a.db().startSQL(p, l)
}

// follow points this host at the writer, a bid seen deleted first (R29).
func (a *agent) follow(p *proc, l *limit, j job) (step.Note, error) {
	var note step.Note
	if j.Bid != nil {
		rev, err := a.reg.deleteBid(p, l, j.BidRev)
		if err != nil {
			return nil, err
		}
		note = step.Wrote(rev)
	}
	from := a.hostAt(j.Addr)
	a.accept(from)
	if err := a.attach(p, l, from); err != nil {
		return note, err
	}
	return step.Asked(j.Epoch, note), nil
}

func (a *agent) reattach(p *proc, l *limit, _ job) (step.Note, error) {
	return nil, a.db().reattach(p, l)
}

func (a *agent) setSemi(p *proc, l *limit, j job) (step.Note, error) {
	if !j.On {
		if err := a.db().stopIO(p, l); err != nil {
			return nil, err
		}
	}
	return nil, a.db().setSemi(p, l, j.On)
}

// claimVIP takes a free reader VIP: the claim, then the address (R54).
func (a *agent) claimVIP(p *proc, l *limit, j job) (step.Note, error) {
	if j.lease == 0 {
		return nil, errNoLease
	}
	if err := p.sleep(l, 60*time.Millisecond); err != nil {
		return nil, err
	}
	rev, err := a.reg.claim(p, l, j.lease, j.VIPs[0])
	if err != nil {
		return nil, err
	}
	return step.Wrote(rev), nil
}

func (a *agent) giveUpVIP(p *proc, l *limit, j job) (step.Note, error) {
	if j.lease == 0 {
		return nil, errNoLease
	}
	a.h.dropVIP(j.VIPs[0])
	claim := j.cluster.Claims[j.VIPs[0]].Rev
	left := step.Left(j.VIPs[0], claim)
	rev, err := a.reg.release(p, l, j.VIPs[0], claim)
	if err != nil {
		return left, err
	}
	return step.Released(left, rev), nil
}
