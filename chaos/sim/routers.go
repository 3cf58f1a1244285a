package sim

import (
	"math/rand/v2"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// routers are mmmrouters as agents see them: as what they say in etcd. In half of
// the seeds there are two. They draw from a stream of their own.
type routers struct {
	w     *world
	rng   *rand.Rand
	there bool
}

func newRouters(w *world, seed uint64) *routers {
	r := &routers{w: w, rng: rand.New(rand.NewPCG(seed, 58))} //nolint:gosec // a simulation must replay
	if r.there = r.rng.IntN(2) == 0; r.there {
		r.say("holds/r1", 0)
		r.say("holds/r2", 0)
	}
	return r
}

// asked is what they do when a planned switchover is asked for: each holds after a
// while, or never, or says that it holds for something else.
func (r *routers) asked(order topology.Rev) {
	if !r.there {
		return
	}
	for _, key := range []string{"holds/r1", "holds/r2"} {
		after, silent := time.Duration(r.rng.Int64N(int64(900*time.Millisecond))), r.rng.IntN(4)
		if silent == 0 {
			r.w.story("%s: does not say that it holds", key)
			continue
		}
		says := order
		if silent == 1 {
			says--
		}
		r.w.after(after, nil, func() { r.say(key, says) })
	}
}

func (r *routers) say(key string, order topology.Rev) {
	if r.w.etcd.down == 0 {
		r.w.etcd.take(change{guards: []guard{{key, r.w.etcd.keys[key].rev}}, puts: []put{{key, topology.RouterHold{Name: key, Order: order}, 0}}})
	}
}

// waited: no router keeps a planned switchover from being carried out. It is asked
// after an episode in which nothing else befell the cluster.
func (c *checks) waited(single string) {
	s := c.w.etcd.cluster.Switchover
	if single == "switchover" && s.Value.Kind == topology.OrderSwitchover && s.Value.Step == topology.Aborted && s.Value.Outcome == "undone: nobody could carry it out in time; "+c.w.etcd.cluster.Writer.Value.Name+" is writer again and nothing was lost" {
		c.violated("routers do not stop a switchover", "%s", s.Value.Outcome)
	}
}
