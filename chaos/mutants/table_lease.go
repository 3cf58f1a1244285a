package mutants

import "time"

// leases are the tests of deadlines, in virtual time, and of the files that
// survive the agent.
var leases = Suite{Name: "leases in virtual time", Pkg: "./election", Args: []string{"-rapid.nofailfile", "-rapid.shrinktime=2s"}, Limit: 40 * time.Second,
	Run: "Margin|Deadline|Guard|Granted|Late|Overtaken|Gone|Suspend|Lock|Highest|Runtime|Resume|Revoke|Identity|BrokenFiles|Unsafe"}

// elections are the bugs of leases and deadlines.
var elections = []Mutant{
	{
		Name: "no-margin", Rules: []string{"R2"}, File: "election/clock.go", Suite: leases,
		What: "The deadline is the end of the lease itself, with no time to close in.",
		Old:  `return max(least, drift+fenceWrite)`,
		New:  `return min(0, least, drift+fenceWrite)`,
	},
	{
		Name: "deadline-from-the-reply", Rules: []string{"R1"}, File: "election/session.go", Suite: leases,
		What: "The deadline is counted from the answer instead of from before the request.",
		Old:  `ttl, err := s.opt.Members[member].KeepAliveOnce(ctx, s.ID())`,
		New:  "ttl, err := s.opt.Members[member].KeepAliveOnce(ctx, s.ID())\n\tsent = s.opt.Clock.Now()",
	},
	{
		Name: "asked-ttl-counts", Rules: []string{"R1"}, File: "election/session.go", Suite: leases,
		What: "The TTL that was asked for counts, not the one that etcd granted.",
		Old:  `deadline := sent.Deadline(ttl - s.margin(ttl))`,
		New:  `deadline := sent.Deadline(s.opt.TTL - s.margin(ttl))`,
	},
	{
		Name: "late-reply-extends", Rules: []string{"R3"}, File: "election/session.go", Suite: leases,
		What: "An answer extends the lease although the deadline that it yields has passed.",
		Old:  `if deadline.Passed(s.opt.Clock.Now()) || !deadline.After(s.deadline) {`,
		New:  `if !deadline.After(s.deadline) {`,
	},
	{
		Name: "deadline-moves-back", Rules: []string{"R3"}, File: "election/session.go", Suite: leases,
		What: "An answer that was overtaken moves the deadline back.",
		Old:  `if deadline.Passed(s.opt.Clock.Now()) || !deadline.After(s.deadline) {`,
		New:  `if deadline.Passed(s.opt.Clock.Now()) {`,
	},
	{
		Name: "gone-lease-is-renewed", Rules: []string{"R3"}, File: "election/session.go", Suite: leases,
		What: "A lease that etcd reported gone is renewed again.",
		Old:  `case errors.Is(err, ErrGone):` + "\n\t\tif s.end(",
		New:  `case false:` + "\n\t\tif s.end(",
	},
	{
		Name: "suspend-not-seen", Rules: []string{"R1"}, File: "election/clock.go", Suite: leases,
		What: "Only the clock that stands still in a suspended machine is looked at.",
		Old:  `return min(d.mono.Sub(now.mono), d.boot-now.boot)`,
		New:  `return d.mono.Sub(now.mono)`,
	},
	{
		Name: "expired-guard-is-extended", Rules: []string{"R4"}, File: "election/guard.go", Suite: leases,
		What: "An extension after the deadline is taken when nobody has noticed the passing yet.",
		Old:  `if g.look() <= 0 {`,
		New:  `if g.deadline.IsZero() {`,
	},
	{
		Name: "two-agents-on-one-host", Rules: []string{"R6"}, File: "election/datadir.go", Suite: leases,
		What: "The lock of the datadir is shared, so a second agent starts beside the first.",
		Old:  `unix.LOCK_EX|unix.LOCK_NB`,
		New:  `unix.LOCK_SH|unix.LOCK_NB`,
	},
	{
		Name: "lease-of-another-boot", Rules: []string{"R5"}, File: "election/runtime.go", Suite: leases,
		What: "What an agent wrote down before a reboot is resumed after it.",
		Old:  `if record.Boot != boot {`,
		New:  `if record.Boot == "" || boot == "" {`,
	},
	{
		Name: "highest-epoch-goes-down", Rules: []string{"R17"}, File: "election/highest.go", Suite: leases,
		What: "The highest epoch is overwritten by a lower one.",
		Old:  `if epoch <= seen.Epoch {`,
		New:  `if epoch == seen.Epoch {`,
	},
	{
		Name: "broken-record-is-no-record", Rules: []string{"R17"}, File: "election/highest.go", Suite: leases,
		What: "A file that cannot be read is taken for one that says nothing, which is to forget.",
		Old:  `return nil, fmt.Errorf("load the highest epoch from %s: %w", h.path, err)`,
		New:  `return h, nil`,
	},
}
