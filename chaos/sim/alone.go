package sim

import (
	"math/rand/v2"
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// availableRate is how many seeds live with `durability: available` (R24).
const availableRate = 0.2

// desertedRate is how many of the episodes of such a seed lose all replicas at once.
const desertedRate = 0.3

// available says whether a seed is one of these.
func available(seed uint64) bool {
	rng := rand.New(rand.NewPCG(seed, 5)) //nolint:gosec // a simulation must replay
	return rng.Float64() < availableRate
}

// deserted leaves the writer alone.
var deserted = kind{"all replicas lost", 1, false, 4 * time.Second, 20 * time.Second, desert}

// desert takes the power from all but the writer. On a toss the writer loses its own
// just when they come back.
func desert(w *world, _ *host, f fault) func() {
	wr := w.writer()
	var back []func()
	for _, o := range w.hosts {
		if undo := powerLostBut(w, o, wr, f); undo != nil {
			back = append(back, undo)
		}
	}
	return func() {
		for _, undo := range back {
			undo()
		}
		if last := w.writer(); f.coin && last != nil {
			w.after(w.between(0, 4*time.Second), nil, func() {
				if undo := powerLost(w, last, f); undo != nil {
					w.after(f.lasts, nil, undo)
				}
			})
		}
	}
}

func powerLostBut(w *world, h, spared *host, f fault) func() {
	if h == spared {
		return nil
	}
	return powerLost(w, h, f)
}

// setSource makes commits wait for acknowledgements, or for nobody (agent/act_loss.go).
func (a *agent) setSource(p *proc, l *limit, j job) (step.Note, error) {
	pos := gtid.Set{}
	err := a.db().sql(p, l, func(m *mysqld) error {
		m.semiSource = j.On
		if !j.On {
			m.release(len(m.log))
			m.flushed = m.visible
		}
		pos = m.position()
		m.touch()
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !j.On {
		return step.WaitsAgain(gtid.Set{}, ""), nil
	}
	return step.WaitsAgain(pos, j.HostID), nil
}

// durability is what the operator of a seed prefers.
func durability(seed uint64) topology.Durability {
	if available(seed) {
		return topology.Available
	}
	return topology.Lossless
}
