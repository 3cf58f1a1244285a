package mutants

import "time"

// etcdWrites are the tests of keys, guards and unknown outcomes, on a real etcd.
var etcdWrites = Suite{Name: "guards on a real etcd", Pkg: "./internal/store", Limit: 2 * time.Minute,
	Run: "Refused|Guard|BreaksNo|Campaign|HandOver|Answer|LateCopy|Unknown|Unanswered|SameLease|Unreadable|WentBack|NeverSent|Dropping"}

// records are the bugs of what is written into etcd.
var records = []Mutant{
	{
		Name: "epoch-by-creation", Rules: []string{"R15"}, File: "internal/store/guards.go", Suite: etcdWrites,
		What: "Guards compare the revision at which a key was created, which a hand-over does not change.",
		Old:  "Target: pb.Compare_MOD, Key: key,\n\t\t\tTargetUnion: &pb.Compare_ModRevision{ModRevision: int64(g.rev)},",
		New:  "Target: pb.Compare_CREATE, Key: key,\n\t\t\tTargetUnion: &pb.Compare_CreateRevision{CreateRevision: int64(g.rev)},",
	},
	{
		Name: "campaign-without-guards", Rules: []string{"R34"}, File: "internal/store/reign.go", Suite: etcdWrites,
		What: "A campaign that forgot a guard is sent all the same.",
		Old:  `for _, key := range []string{reignKey, specKey, modeKey, intentKey(r.Writer.Name)} {`,
		New:  `for _, key := range []string{reignKey} {`,
	},
	{
		Name: "hand-over-does-not-check-the-step", Rules: []string{"R43"}, File: "internal/store/reign.go", Suite: etcdWrites,
		What: "The key changes hands whatever the step of the order is.",
		Old:  `if !order.Present() || order.Value.Step != topology.TargetReady {`,
		New:  `if !order.Present() {`,
	},
	{
		Name: "hand-over-unguarded-by-the-order", Rules: []string{"R43", "R44"}, File: "internal/store/reign.go", Suite: etcdWrites,
		What: "A hand-over that is late lands after the undo.",
		Old:  `guards: []guard{{writerKey, epoch}, {switchoverKey, order.Rev}},`,
		New:  `guards: []guard{{writerKey, epoch}},`,
	},
	{
		Name: "hand-over-keeps-the-phase", Rules: []string{"R15", "R43"}, File: "internal/store/reign.go", Suite: etcdWrites,
		What: "After a hand-over the old writer's phase stands, and says that the new one is ready.",
		Old:  `drops:  []string{phaseKey},`,
		New:  `drops:  []string{},`,
	},
	{
		Name: "reign-put-without-the-epoch", Rules: []string{"R16", "R20"}, File: "internal/store/reign.go", Suite: etcdWrites,
		What: "A deposed writer can still change the acker set.",
		Old:  `return c.replace(ctx, verb, reignKey, prev, r, guard{writerKey, epoch})`,
		New:  `return c.replace(ctx, verb, reignKey, prev, r)`,
	},
	{
		Name: "phase-put-without-the-epoch", Rules: []string{"R16"}, File: "internal/store/reign.go", Suite: etcdWrites,
		What: "A deposed writer can still say that its reign is ready.",
		Old:  `return c.overwrite(ctx, verb, own, guard{writerKey, epoch})`,
		New:  `return c.overwrite(ctx, verb, own)`,
	},
	{
		Name: "order-advanced-without-the-epoch", Rules: []string{"R16", "R42"}, File: "internal/store/reign.go", Suite: etcdWrites,
		What: "A deposed writer can still advance a switchover.",
		Old:  `return c.replace(ctx, verb, switchoverKey, prev, s, guard{writerKey, epoch})`,
		New:  `return c.replace(ctx, verb, switchoverKey, prev, s)`,
	},
	{
		Name: "bid-under-a-writer", Rules: []string{"R28"}, File: "internal/store/reports.go", Suite: etcdWrites,
		What: "A host bids while there is a writer.",
		Old:  `append([]guard{{writerKey, 0}}, g.list...)...)`,
		New:  `g.list...)`,
	},
	{
		Name: "timeout-taken-for-a-no", Rules: []string{"R16"}, File: "internal/store/commit.go", Suite: etcdWrites,
		What: "A transaction that timed out is reported as one that did not happen.",
		Old:  "if doubted {\n\t\t\treturn verdict{}, fmt.Errorf(\"%s: %w: %s\", ch.verb, ErrUnknownOutcome, causes)",
		New:  "if doubted && false {\n\t\t\treturn verdict{}, fmt.Errorf(\"%s: %w: %s\", ch.verb, ErrUnknownOutcome, causes)",
	},
	{
		Name: "own-success-taken-for-a-refusal", Rules: []string{"R16"}, File: "internal/store/commit.go", Suite: etcdWrites,
		What: "A transaction whose first copy was taken is reported as refused, because its second copy was.",
		Old:  `ch.settle(verdict{seen: c.look(ch, resp), doubted: doubted})`,
		New:  `ch.settle(verdict{seen: c.look(ch, resp)})`,
	},
	{
		Name: "key-of-another-lease-overwritten", Rules: []string{"R54"}, File: "internal/store/commit.go", Suite: etcdWrites,
		What: "An agent writes over a key that hangs on another agent's lease.",
		Old:  `if now != nil && topology.LeaseID(now.Lease) != own.lease {`,
		New:  `if now != nil && own.lease == 0 {`,
	},
	{
		Name: "unguarded-write-allowed", Rules: []string{"R16"}, File: "internal/store/guards.go", Suite: etcdWrites,
		What: "A write that breaks none of its own guards is sent, and a late copy of it takes effect again.",
		Old:  `breaks = breaks || ch.touches(g.key)`,
		New:  `breaks = true`,
	},
	{
		Name: "unreadable-mode-is-active", Rules: []string{"R35"}, File: "internal/store/snapshot.go", Suite: etcdWrites,
		What: "A mode that cannot be read counts as ACTIVE.",
		Old:  `topology.ModeSetting{Mode: topology.Passive, Why: "the stored mode cannot be read"}`,
		New:  `topology.ModeSetting{Mode: topology.Active, Why: "the stored mode cannot be read"}`,
	},
}
