package mutants

import "time"

// greetings are the tests of how an agent looks at the mmmrouter beside it.
var greetings = Suite{Name: "one agent beside a router", Pkg: "./agent", Run: "Router|Role", Limit: time.Minute}

// besideRouters are the tests of what routers' agents decide.
var besideRouters = Suite{Name: "stories of routers' agents", Pkg: "./topology", Run: "Router|Stories", Limit: 2 * time.Minute}

// routerVIPs are the bugs of the VIPs of routers.
var routerVIPs = []Mutant{
	{
		Name: "connection-taken-for-a-greeting", Rules: []string{"R54"}, File: "agent/beside.go", Suite: greetings,
		What: "An mmmrouter that hangs counts as well, because the kernel takes its connections: the VIP stays with it.",
		Old:  `return "", fmt.Errorf("it takes connections at %s and does not greet: %w", at, plainCause(err))`,
		New:  `return "", nil`,
	},
	{
		Name: "router-vip-of-a-silent-router", Rules: []string{"R54"}, File: "topology/rules_vip.go", Suite: besideRouters,
		What: "An agent keeps the claim of a VIP although what it stands beside does not answer and nobody else does.",
		Old:  `case !v.Probe.Up:`,
		New:  `case false:`,
	},
	{
		Name: "router-vip-without-a-lease", Rules: []string{"R54", "G3"}, File: "topology/routers.go", Suite: besideRouters,
		What: "A router's agent whose lease was not renewed in time answers for its VIP until somebody tells it not to.",
		Old:  `rows(fenceRules, "etcd-went-back", "lease-late", "old-view", "not-a-member"),`,
		New:  `rows(fenceRules, "etcd-went-back", "old-view", "not-a-member"),`,
	},
	{
		Name: "router-vip-claimed-by-two", Rules: []string{"R54", "G3"}, File: "internal/store/routers.go", Suite: etcdWrites,
		What: "Each router's claim of a VIP has a key of its own, so that both of two routers get one.",
		Old:  `return b.claim(ctx, routerVIPKey(vip), lease, claim)`,
		New:  `return b.claim(ctx, routerVIPKey(vip)+"/"+claim.Name, lease, claim)`,
	},
	{
		Name: "router-that-is-not-registered-is-not-asked", Rules: []string{"R54", "R50"}, File: "topology/routers.go", Suite: besideRouters,
		What: "A router keeps its VIP without etcd although one that nobody hears of could claim it meanwhile.",
		Old:  "\t\tout.Reign.Value.Voters = append(out.Reign.Value.Voters, id)",
		New:  "\t\tif !out.Memories[h.Name].Present() {\n\t\t\tcontinue\n\t\t}\n\t\tout.Reign.Value.Voters = append(out.Reign.Value.Voters, id)",
	},
	{
		Name: "expelled-host-keeps-its-claims", Rules: []string{"G3"}, File: "topology/rules_fence.go", Suite: besideRouters,
		What: "A host that was taken out of the cluster file goes silent and keeps its claims: nobody serves its VIPs while its agent lives.",
		Old:  `Then: (*View).leave,`,
		New:  `Then: (*View).shut,`,
	},
	{
		Name: "connections-cut-while-still-served", Rules: []string{"R54"}, File: "vip/vip.go", Suite: addresses,
		What: "The clients of a router that hangs are cut off before its address is closed: they are back at once, and wait again.",
		Old:  "unserved := m.fence.Unserve(ctx, addrs...)\n",
		New:  "for _, addr := range addrs {\n\t\tm.cutOff(ctx, addr)\n\t}\n\tunserved := m.fence.Unserve(ctx, addrs...)\n",
	},
}
