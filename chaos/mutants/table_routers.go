package mutants

import "time"

// beliefs are the tests of what a router believes and says.
var beliefs = Suite{Name: "what a router believes", Pkg: "./router/follow", Limit: time.Minute}

// routers are bugs between routers and the cluster.
var routers = []Mutant{
	{
		Name: "drain-waits-for-no-router", Rules: []string{"R58"}, File: "topology/holds.go", Suite: brief,
		What: "A planned switchover stops the writer while routers still send it statements, whose outcome is then unknown.",
		Old:  `return v.Cluster.unheld()`,
		New:  `return nil`,
	},
	{
		Name: "drain-waits-for-ever", Rules: []string{"R58", "G7"}, File: "topology/holds.go", Suite: brief,
		What: "One router that does not answer stops every planned switchover.",
		Old:  `v.Now.Sub(v.Seen.Order) >= holdLimit`,
		New:  `false`,
	},
	{
		Name: "hold-of-another-order-counts", Rules: []string{"R58"}, File: "topology/holds.go", Suite: brief,
		What: "What a router held for an order that is over is taken for its word on this one.",
		Old:  `e.Value.Order != c.Switchover.Rev`,
		New:  `e.Value.Order == 0`,
	},
	{
		Name: "hold-said-in-a-transaction", Rules: []string{"R58"}, File: "router/follow/herald.go", Suite: beliefs,
		What: "A router says that it holds while transactions of its clients are open, and they break.",
		Old:  `if running+open == 0 ||`,
		New:  `if running+0*open == 0 ||`,
	},
	{
		Name: "transactions-outstay-their-time", Rules: []string{"R58"}, File: "router/follow/herald.go", Suite: beliefs,
		What: "A transaction that a switchover no longer waits for goes on at the old writer, and nobody knows what became of its COMMIT.",
		Old:  `return v.Held && over != nil && *over == v.order`,
		New:  `return false && over != nil`,
	},
	{
		Name: "router-holds-for-ever", Rules: []string{"R58"}, File: "router/follow/hold.go", Suite: beliefs,
		What: "A router holds for an order that nobody will ever close.",
		Old:  `if now.Sub(h.since) >= most {`,
		New:  `if false {`,
	},
	{
		Name: "router-believes-an-older-epoch", Rules: []string{"R56"}, File: "router/follow/view.go", Suite: beliefs,
		What: "A router takes a writer of an epoch below one that it has seen.",
		Old:  `case c.Writer.Rev < v.Epoch:`,
		New:  `case false:`,
	},
	{
		Name: "word-without-end", Rules: []string{"R57"}, File: "router/follow/fresh.go", Suite: beliefs,
		What: "What the writer's agent said once is believed for as long as etcd is away, and writes go to a host whose reign is over.",
		Old:  `sent.Deadline(left - left/100)`,
		New:  `sent.Deadline(time.Hour + left)`,
	},
	{
		Name: "word-of-another-reign", Rules: []string{"R57"}, File: "router/follow/fresh.go", Suite: beliefs,
		What: "What was said of one reign lets writes go to the writer of another.",
		Old:  `w.epoch == epoch {`,
		New:  `w.epoch > 0 {`,
	},
	{
		Name: "router-sleeps-and-writes-on", Rules: []string{"R57"}, File: "router/follow/fresh.go", Suite: beliefs,
		What: "After a suspended machine goes on, its router believes what was so before.",
		Old:  `return gap > sleepLeast`,
		New:  `return false && gap > sleepLeast`,
	},
	{
		Name: "restored-etcd-routes", Rules: []string{"R17", "R56"}, File: "router/follow/trust.go", Suite: beliefs,
		What: "A router follows an etcd that was restored from an old copy as soon as it has counted past what was seen.",
		Old:  `if t.lost > 0 {`,
		New:  `if t.lost > c.Rev {`,
	},
	{
		Name: "old-word-played-again", Rules: []string{"R57"}, File: "internal/peer/reign.go", Suite: asks,
		What: "Who has recorded a writer's word can keep a router writing to it.",
		Old:  `if got != want || got.Left < 0 {`,
		New:  `if got.From != want.From {`,
	},
	{
		Name: "word-after-the-lease", Rules: []string{"R57"}, File: "topology/reigns.go",
		Suite: Suite{Name: "what a writer says", Pkg: "./topology", Run: "Reigns", Limit: 2 * time.Minute},
		What:  "A writer whose lease has ended, without promises, tells routers that it still reigns.",
		Old:   `case left <= 0:`,
		New:   `case left < -time.Hour:`,
	},
}
