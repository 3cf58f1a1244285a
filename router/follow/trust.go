package follow

import (
	"fmt"

	"github.com/mmm-ha/mmm/topology"
)

// trust remembers what etcd has shown, so that one that was restored from an old
// copy is noticed (R17, R56). It is believed again when an operator has looked
// (mmmctl recover-etcd) since.
type trust struct {
	top   topology.Rev // highest revision seen
	epoch topology.Rev // highest epoch seen
	lost  topology.Rev // what had been seen when etcd showed less; 0: it is believed
}

// look takes a snapshot and says why it is not believed; empty: it is.
func (t *trust) look(c topology.Cluster) string {
	seen := max(t.top, t.epoch)
	if t.lost == 0 && (c.Rev < t.top || c.Writer.Present() && c.Writer.Rev < t.epoch) {
		t.lost = seen
	}
	r := c.Recovery
	if t.lost > 0 && r.Value.Floor > 0 && r.Rev > t.lost && c.Rev >= r.Rev {
		*t = trust{}
	}
	if t.lost > 0 {
		return fmt.Sprintf("etcd went back: it is at revision %d and %d was seen; nothing is believed until `mmmctl recover-etcd`", c.Rev, t.lost)
	}
	t.top, t.epoch = max(t.top, c.Rev), max(t.epoch, c.LastEpoch())
	return ""
}
