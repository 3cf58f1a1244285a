package step

import "github.com/mmm-ha/mmm/topology"

// Want is what must be found out beside the looks at mysqld: the files of the run
// that answers are to be marked, and it is asked what is left of another one, for
// a server that has the position now.
type Want struct {
	Run, Ended topology.Incarnation
	Position   string // empty when nothing is asked of another run
}

// WantOf is what a view asks for; ok is false while nobody answers.
func WantOf(v topology.View) (w Want, ok bool) {
	w = Want{Run: v.Probe.Incarnation, Ended: v.EndedRun()}
	if w.Ended != "" {
		w.Position = v.Probe.Position.String()
	}
	return w, v.Probe.Up
}
