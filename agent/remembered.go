package agent

import (
	"context"
	"log/slog"
	"sync"

	"github.com/mmm-ha/mmm/election"
	"github.com/mmm-ha/mmm/topology"
)

// remembered keeps on disk what the next agent of this host must know: in the
// runtime directory the lease and the reign (R5), in the state directory the
// highest epoch ever seen (R17). Disk writes that may wait are made by run.
type remembered struct {
	runDir  string
	id      topology.HostID
	token   string
	log     *slog.Logger
	highest *election.Highest
	epochs  chan seenEpoch

	mu   sync.Mutex
	kept election.Runtime
}

type seenEpoch struct {
	cluster string
	epoch   topology.Rev
}

func newRemembered(runDir string, id topology.HostID, token string, highest *election.Highest, log *slog.Logger) *remembered {
	return &remembered{runDir: runDir, id: id, token: token, log: log, highest: highest, epochs: make(chan seenEpoch, 1)}
}

// lease notes the lease that a restarted agent may resume.
func (r *remembered) lease(id topology.LeaseID) {
	r.update(func(k *election.Runtime) {
		if k.Lease != id {
			*k = election.Runtime{Lease: id}
		}
	})
}

// reign notes the reign that a restarted agent may resume.
func (r *remembered) reign(lease topology.LeaseID, epoch topology.Rev, inc topology.Incarnation) {
	r.update(func(k *election.Runtime) { k.Lease, k.Epoch, k.Incarnation = lease, epoch, inc })
}

// forgetReign is called when a reign ends.
func (r *remembered) forgetReign() {
	r.update(func(k *election.Runtime) { k.Epoch, k.Incarnation = 0, "" })
}

func (r *remembered) update(change func(*election.Runtime)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.kept)
	r.kept.ID, r.kept.Agent = r.id, r.token
	if err := election.SaveRuntime(r.runDir, r.kept); err != nil {
		r.log.Warn("cannot keep the lease for a restart of the agent; a restart will be a failover", "err", err)
	}
}

// saw hands an epoch to run, which makes it durable.
func (r *remembered) saw(cluster string, epoch topology.Rev) {
	if cluster != "" && epoch > r.highest.Epoch(cluster) {
		latest(r.epochs, seenEpoch{cluster, epoch})
	}
}

func (r *remembered) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e := <-r.epochs:
			if err := r.highest.Save(e.cluster, e.epoch); err != nil {
				r.log.Error("cannot keep the highest epoch in the state directory", "err", err)
			}
		}
	}
}
