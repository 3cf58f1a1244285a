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
}
