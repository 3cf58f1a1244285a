package follow

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// silenceMost is how long a reader may say nothing while the writer goes on: its
// agent has lost touch with its mysqld, or with itself, and the lag that it said
// last is worth nothing.
const silenceMost = 5 * time.Second

// silences remember since when the newest report of each host is behind the writer.
type silences map[topology.HostID]silence

type silence struct {
	rev    topology.Rev // of the report
	behind time.Time    // zero: it has all that the writer said it has
}

// drop moves readers that have said nothing for too long to the excluded ones.
func (s silences) drop(v *View, c topology.Cluster, now time.Time) {
	writer := c.Hosts[c.Writer.Value.ID].Value.Position
	for id := range s {
		if _, there := c.Hosts[id]; !there {
			delete(s, id)
		}
	}
	v.Readers = slices.DeleteFunc(v.Readers, func(r Reader) bool {
		_, id, _ := c.ReportOf(r.Name)
		one := s[id]
		if rev := c.Hosts[id].Rev; one.rev != rev {
			one = silence{rev: rev}
		}
		switch {
		case r.Applied.Contains(writer):
			one.behind = time.Time{}
		case one.behind.IsZero():
			one.behind = now
		}
		s[id] = one
		quiet := now.Sub(one.behind)
		if one.behind.IsZero() || quiet < silenceMost {
			return false
		}
		v.Excluded = append(v.Excluded, Excluded{r.Host, fmt.Sprintf("it has said nothing for %s, and the writer has written since", quiet.Round(time.Second))})
		return true
	})
	slices.SortFunc(v.Excluded, func(a, b Excluded) int { return strings.Compare(a.Name, b.Name) })
}
