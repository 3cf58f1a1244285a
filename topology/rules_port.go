package topology

import "fmt"

// Port is how the port that clients use stands in this host's packet filter.
type Port string

// The states of the client port. The zero value is one that was not read.
const (
	PortAbsent    Port = "none"      // there is no fence: the port is open at any time
	PortClosed    Port = "closed"    // no client is admitted
	PortTimed     Port = "timed"     // open until a lease ends: a writer's
	PortUnlimited Port = "unlimited" // open without end: a reader's (R9)
)

// portRules keep the port of a host that is not the writer. The writer's is
// opened with its server (open, open-again) and extended by renewals alone.
var portRules = []Rule{
	{
		Name: "port-of-the-dead",
		Doc:  "No mysqld runs: the port is closed before the next one serves, which may have been started with other settings (R9).",
		When: when("mysqld does not run, and the port is open without end", func(v *View) bool {
			return v.Probe.Incarnation == "" && v.Port == PortUnlimited && !v.busy(ClosePort)
		}),
		Then: do(Action{Kind: ClosePort}),
	},
	{
		Name: "port-for-readers",
		Doc:  "A server that is read-only, on a host that is not the writer and where nobody waits for an acknowledgement, is open for clients without end (R9).",
		When: func(v *View) (string, bool) {
			return fmt.Sprintf("the server is read-only and its port is %s", v.Port), v.readersOnly() && (v.Port == PortClosed || v.Port == PortTimed)
		},
		Then: do(Action{Kind: OpenReaders}),
	},
}

// readersOnly reports whether the port of this host may be open without end.
func (v *View) readersOnly() bool {
	w := v.Cluster.Writer
	return v.Probe.Up && v.Probe.ReadOnly && v.Probe.Waiting == 0 && v.Term.Epoch == 0 && !(w.Present() && w.Value.ID == v.ID) &&
		!v.carried() && !v.busy(Campaign, Adopt, Retake, OpenDoor, OpenReaders)
}

// shutOut reports whether the port of an open writer is not as it should be:
// somebody flushed the packet filter, or an extension came too late.
func (v *View) shutOut() bool { return v.Port == PortClosed || v.Port == PortUnlimited }
