package topology

import (
	"fmt"
	"slices"
)

// OwnWrites are transactions that somebody made on this very host, as no writer of
// the last reign does: of its own server id, with a number above the first
// transaction of a reign that is another host's. They show in its own binlog state
// at once, whatever the writer has said of itself, and whether it is still there.
// A position does not tell them from what was received, because it is a number.
//
// A reign of this host's own that never opened leaves its row, which counts as
// nobody's doing; what else was written behind that row is told by the writer's
// line (Suspicion).
func OwnWrites(c Cluster, id HostID, p Probe) []string {
	r := c.Reign.Value
	if !c.Reign.Present() || r.ID == id || c.Writer.Value.ID == id || p.SemiSource || p.Waiting > 0 {
		return nil
	}
	return p.State.Strays(p.ServerID, r.Start, p.Joints)
}

// Strayed says that a host holds such transactions, as the cause why its position
// proves nothing; empty: it holds none.
func Strayed(c Cluster, id HostID, p Probe) string {
	own := OwnWrites(c, id, p)
	if len(own) == 0 {
		return ""
	}
	return fmt.Sprintf("it holds %s, which somebody wrote here while %s was the writer", own[len(own)-1], c.Reign.Value.Name)
}

// Foreign are the GTIDs that this host holds and the writer never had: its own
// writes at once, others when they have been suspected for a while.
func (v *View) Foreign() []string {
	out := v.Seen.Suspect.Confirmed(v.Now)
	if v.Term.Epoch > 0 {
		return out
	}
	for _, id := range OwnWrites(v.Cluster, v.ID, v.Probe) {
		if !slices.Contains(out, id) {
			out = append(slices.Clone(out), id)
		}
	}
	return out
}
