package mutants

import "time"

// addresses are the tests of VIPs against a kernel that is played, and a real one.
var addresses = Suite{Name: "addresses, played and real", Pkg: "./vip", Limit: 2 * time.Minute}

// filter are the tests of the packet filter in network namespaces.
var filter = Suite{Name: "packet filter of a real kernel", Pkg: "./internal/fence", Limit: time.Minute}

// processes are the tests of killing one run of mysqld and no other.
var processes = Suite{Name: "processes", Pkg: "./internal/process", Limit: time.Minute}

// kernel are the bugs of addresses, packet filter and processes.
var kernel = []Mutant{
	{
		Name: "expired-address-revived", Rules: []string{"R10", "R54"}, File: "vip/vip.go", Suite: addresses,
		What: "A renewal brings an address back whose deadline has passed, and which another host may have by now.",
		Old:  `if left <= 0 || now >= m.held[addr].until {`,
		New:  `if left <= 0 {`,
	},
	{
		Name: "late-address-stays", Rules: []string{"R4"}, File: "vip/vip.go", Suite: addresses,
		What: "An address that came up after its deadline stays, because the clock is not read after the write.",
		Old:  "if m.clock() >= until {\n\t\treturn m.lapse(ctx, addr)\n\t}\n\tm.remember(",
		New:  "m.remember(",
	},
	{
		Name: "announced-once", Rules: []string{"G3"}, File: "vip/announce.go", Suite: addresses,
		What: "A new address is announced once; when that frame is lost clients stay on the old host (MMM's F15).",
		Old:  "\t0,\n\t200 * time.Millisecond,\n\t1 * time.Second,\n\t3 * time.Second,\n\t10 * time.Second,\n",
		New:  "\t0,\n",
	},
	{
		Name: "strangers-address-removed", Rules: []string{"G3"}, File: "vip/plan.go", Suite: addresses,
		What: "An address that is not ours is taken down because it is not wanted (MMM's F20 in reverse).",
		Old:  `case e.Marked && !slices.Contains(want, addr):`,
		New:  `case !slices.Contains(want, addr):`,
	},
	{
		Name: "dropped-address-announced", Rules: []string{"R54"}, File: "vip/vip.go", Suite: addresses,
		What: "An address is announced although it was told to go, because the kernel would not remove it.",
		Old:  "maps.DeleteFunc(m.held, func(a netip.Addr, _ *hold) bool { return which(a) })\n",
		New:  "",
	},
	{
		Name: "deposed-writer-dropped-silently", Rules: []string{"R11"}, File: "internal/fence/expr.go", Suite: filter,
		What: "Packets of a deposed writer are dropped instead of answered with a reset, so every election waits two seconds.",
		Old:  `return []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}}`,
		New:  `return []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}`,
	},
	{
		Name: "established-flows-live-on", Rules: []string{"R21"}, File: "internal/fence/table.go", Suite: filter,
		What: "A refused replica cannot connect anew, but what it is sent on an old connection still reaches it.",
		Old:  "rule(t.in, p.is(), isTCP(), p.pairIn(p.saddr, dportOffset, sets.refused), reset())\n",
		New:  "",
	},
	{
		Name: "refused-until-a-restart", Rules: []string{"R21"}, File: "internal/fence/fence.go", Suite: filter,
		What: "An agent that starts lets everybody attach to the writer until it has looked around and decided whom to refuse.",
		Old:  `err = m.write(ctx, kept, true)`,
		New:  `err = m.write(ctx, lists{}, true)`,
	},
	{
		Name: "half-a-list-is-kept", Rules: []string{"R21"}, File: "internal/fence/standing.go", Suite: filter,
		What: "An agent that starts keeps only the IPv4 hosts out that the one before refused.",
		Old:  `if len(k) != 8 && len(k) != 20 {`,
		New:  `if len(k) != 8 {`,
	},
	{
		Name: "flushed-table-not-noticed", Rules: []string{"R21"}, File: "internal/fence/fence.go", Suite: filter,
		What: "Somebody flushes all rules, and the agent believes that its own still stand.",
		Old:  `if intact && want.equal(m.have) {`,
		New:  `if want.equal(m.have) {`,
	},
	{
		Name: "kill-by-number", Rules: []string{"R19"}, File: "internal/process/watch.go", Suite: processes,
		What: "A process is killed by its number, whoever bears it by now.",
		Old:  `if err == nil && now != inc {`,
		New:  `if err == nil && now == "" {`,
	},
}
