package topology

import "net/netip"

// Cluster is one consistent reading of everything the cluster keeps in etcd.
// The maps are never nil when it comes from the store.
type Cluster struct {
	Rev        Rev                           `json:"rev"` // of etcd when it was read
	Spec       Entry[Spec]                   `json:"spec"`
	Mode       Entry[ModeSetting]            `json:"mode"`
	Intents    map[string]Entry[Intent]      `json:"intents"`  // by name
	Memories   map[string]Entry[Memory]      `json:"memories"` // by name
	Hosts      map[HostID]Entry[Report]      `json:"hosts"`
	Writer     Entry[Writer]                 `json:"writer"`
	Phase      Entry[Phase]                  `json:"phase"`
	Reign      Entry[Reign]                  `json:"reign"`
	Bids       map[HostID]Entry[Bid]         `json:"bids"`
	Claims     map[netip.Addr]Entry[Claim]   `json:"claims"`
	Pins       map[netip.Addr]Entry[Pin]     `json:"pins"`
	Rejoins    map[string]Entry[RejoinOrder] `json:"rejoins"` // by name
	Switchover Entry[Switchover]             `json:"switchover"`
	Tombstones map[Rev]Entry[Tombstone]      `json:"tombstones"` // by the epoch whose end was given up
	Recovery   Entry[Recovered]              `json:"recovery"`

	Routers      map[HostID]Entry[RouterReport] `json:"routers,omitempty"`      // live ones
	RouterClaims map[netip.Addr]Entry[Claim]    `json:"routerClaims,omitempty"` // of their VIPs
	Holds        map[string]Entry[RouterHold]   `json:"holds,omitempty"`        // by run of an mmmrouter; live ones
}

// Epoch is the number of the reign that runs, 0 when there is no writer.
func (c Cluster) Epoch() Rev { return c.Writer.Rev }

// LastEpoch is the epoch of the writer, or of the last reign that opened.
func (c Cluster) LastEpoch() Rev { return max(c.Writer.Rev, c.Reign.Value.Epoch) }

// ReportOf finds the live report of a host by name. The second result is its id.
// While two hosts bear the name (a new datadir, and the old one's lease has not
// ended yet) it is the same one for everybody.
func (c Cluster) ReportOf(name string) (Report, HostID, bool) {
	for _, id := range sortedKeys(c.Hosts) {
		if e := c.Hosts[id]; e.Value.Name == name {
			return e.Value, id, true
		}
	}
	return Report{}, "", false
}

// ModeNow is the mode in force; ACTIVE when nobody has said anything.
func (c Cluster) ModeNow() Mode {
	if !c.Mode.Present() {
		return Active
	}
	return c.Mode.Value.Mode
}
