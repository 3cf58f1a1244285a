package check

import "github.com/mmm-ha/mmm/chaos/history"

// bank looks at every sum of all accounts that anybody read.
func bank(h *history.History) Finding {
	var f Finding
	for _, o := range h.Ops {
		if o.Do != history.Total || o.Outcome != history.OK {
			continue
		}
		f.Checked++
		if o.Value != h.Run.Total {
			f.violate("%s read the sum %d through %s at %s; it is %d always", o.Client, o.Value, o.Route, at(h, o.Call), h.Run.Total)
		}
	}
	for _, s := range h.Finals {
		f.Checked++
		if s.Total != h.Run.Total {
			f.violate("%s has the sum %d in the end; it is %d always", s.Host, s.Total, h.Run.Total)
		}
	}
	return f
}
