package check

import "github.com/mmm-ha/mmm/chaos/history"

// ownReads looks at what clients of a router read of their own registers. The promise
// is one of a session, and every error ends a client's session.
func ownReads(h *history.History) Finding {
	var f Finding
	type knows struct{ least, most int64 }
	clients := map[string]*knows{}
	for _, o := range h.Ops { // of one client they are in order
		if o.Do != history.OwnSet && o.Do != history.OwnGet {
			continue
		}
		k := clients[o.Client]
		if k == nil {
			k = &knows{}
			clients[o.Client] = k
		}
		if o.Do == history.OwnSet {
			k.most = o.Value
		}
		switch {
		case o.Outcome != history.OK:
			k.least = 0
			continue
		case o.Do == history.OwnSet:
			k.least = o.Value
			continue
		}
		f.Checked++
		if o.Value < k.least || o.Value > k.most {
			f.violate("%s read %d through %s at %s; it had been told that %d was written, and had tried no more than %d", o.Client, o.Value, o.Route, at(h, o.Call), k.least, k.most)
		}
	}
	return f
}
