package mutants

import "time"

// clientPort are the tests of the gate in front of the client port.
var clientPort = Suite{Name: "client port of a real kernel", Pkg: "./internal/fence", Limit: 2 * time.Minute,
	Run: "Port|Gate|Extend|Readers|Successor|Deadline|Virtual|Serving|Hosts"}

// addressGone are the tests of an address that this host answers for no more.
var addressGone = Suite{Name: "client port of a real kernel", Pkg: "./internal/fence", Limit: 2 * time.Minute, Run: "LetGo|OlderKernel"}

// gates are the bugs of the gate that the kernel keeps, and of who works it.
var gates = []Mutant{
	{
		Name: "endless-admission-inherited", Rules: []string{"R9"}, File: "internal/fence/port.go", Suite: clientPort,
		What: "A new agent leaves a port that is open without end as it is, whoever opened it.",
		Old:  `intact := found.whole && found.layout.equal(l) && p.open != forever`,
		New:  `intact := found.whole && found.layout.equal(l)`,
	},
	{
		Name: "renewal-opens-what-has-closed", Rules: []string{"R4", "R7"}, File: "internal/fence/port.go", Suite: clientPort,
		What: "An extension that comes after the kernel has closed the port opens it again.",
		Old:  `_ = c.SetDeleteElements(t.open, []nftables.SetElement{{Key: portKey(p.layout.Port)}}) // fails only on keys that it cannot encode`,
		New:  `c.FlushSet(t.open)`,
	},
	{
		Name: "late-admission-stays", Rules: []string{"R4"}, File: "internal/fence/port.go", Suite: clientPort,
		What: "The clock is not read after the port was opened, and what came too late stays open.",
		Old:  "if p.clock() >= until {\n\t\terr = errors.Join(ErrLate, err)\n\t}",
		New:  "_ = ErrLate",
	},
	{
		Name: "flushed-gate-stays-flushed", Rules: []string{"R7"}, File: "internal/fence/port.go", Suite: clientPort,
		What: "Somebody flushes the packet filter, and the agent believes that the gate still stands.",
		Old:  `if p.generation != 0 && now == p.generation {`,
		New:  `if p.generation != 0 {`,
	},
	{
		Name: "gate-of-other-deadlines-agreed-to", Rules: []string{"R7"}, File: "internal/fence/port.go", Suite: clientPort,
		What: "The rules are compared, but not until when the port is open: an element of somebody else admits clients for ever.",
		Old:  `found.layout.equal(p.layout) && p.agrees(found) {`,
		New:  `found.layout.equal(p.layout) {`,
	},
	{
		Name: "gate-put-back-without-its-end", Rules: []string{"R9"}, File: "internal/fence/gate_write.go", Suite: clientPort,
		What: "A gate that is put back keeps a port open that had no end, for a server of which nobody has looked whether it is read-only.",
		Old:  "if p.open == forever {\n\t\tp.open = 0\n\t}\n\terr := p.commit",
		New:  "err := p.commit",
	},
	{
		Name: "closed-by-hearsay", Rules: []string{"R8"}, File: "internal/fence/port.go", Suite: clientPort,
		What: "A port that this process closed once counts as closed although somebody has changed the packet filter since.",
		Old:  `if now, err := p.line.generation(ctx); err == nil && now == p.generation {`,
		New:  `if _, err := p.line.generation(ctx); err == nil {`,
	},
	{
		Name: "loopback-goes-past-the-gate", Rules: []string{"R7"}, File: "internal/fence/gate_rules.go", Suite: clientPort,
		What: "Applications on the writer's own host reach it at any time, because loopback is an exception.",
		Old:  `rule(out, "resets end connections", isTCP(), isReset(), accept())`,
		New:  `rule(in, "this host", loopback(expr.MetaKeyIIFNAME), accept()); rule(out, "this host", loopback(expr.MetaKeyOIFNAME), accept())`,
	},
	{
		Name: "answers-leave-a-closed-port", Rules: []string{"R7", "R12"}, File: "internal/fence/gate_rules.go", Suite: clientPort,
		What: "What a client says no longer arrives, but the answer to what it said before still leaves: a late OK.",
		Old:  "rule(out, \"answers to clients while the port is closed\", isTCP(), portIn(sportOffset, t.port), portNotIn(sportOffset, t.open), reset())\n",
		New:  "",
	},
	{
		Name: "own-resets-are-dropped", Rules: []string{"R7"}, File: "internal/fence/gate_rules.go", Suite: clientPort,
		What: "The resets by which a closed port ends connections do not pass the gate themselves, so clients hang.",
		Old:  "rule(in, \"resets end connections\", isTCP(), isReset(), accept())\n",
		New:  "",
	},
	{
		Name: "strangers-replicate", Rules: []string{"R7", "R21"}, File: "internal/fence/gate_rules.go", Suite: clientPort,
		What: "Anybody reaches the port of replicas, and by it a server whose client port is closed.",
		Old:  "rule(in, \"strangers on the replication port\", p.is(), isTCP(), portIn(dportOffset, t.peer), p.addrNotIn(p.saddr, s.peers), reset())\n",
		New:  "",
	},
	{
		Name: "lapsed-vip-takes-packets", Rules: []string{"R10"}, File: "internal/fence/gate_rules.go", Suite: clientPort,
		What: "Whoever still has the old host in its table of neighbours reaches it under a VIP that is no longer its own.",
		Old:  "rule(in, \"virtual addresses that are not this host's now\", p.is(), p.addrIn(p.daddr, s.vips), p.addrNotIn(p.daddr, s.served), drop())\n",
		New:  "",
	},
	{
		Name: "lapsed-vip-answers-arp", Rules: []string{"R10"}, File: "internal/fence/gate_rules.go", Suite: clientPort,
		What: "The kernel answers for an IPv4 VIP as long as the address stands, which is up to a second too long.",
		Old:  "rule(arp, \"claims to a virtual address that is not this host's now\", arpSender(), isIn(t.arpVIPs), notIn(t.arpServed), drop())\n",
		New:  "_ = arp\n",
	},
	{
		Name: "lapsed-vip-answers-neighbours", Rules: []string{"R10"}, File: "internal/fence/gate_rules.go", Suite: clientPort,
		What: "The kernel answers for an IPv6 VIP whose time is over.",
		Old:  "rule(in, \"who has a virtual address that is not this host's now\", neighbour(icmpSolicit), target(), isIn(six.vips), notIn(six.served), drop())\n\trule(out, \"claims to a virtual address that is not this host's now\", neighbour(icmpAdvertise), target(), isIn(six.vips), notIn(six.served), drop())\n",
		New:  "_ = six\n",
	},
	{
		Name: "vip-served-without-end", Rules: []string{"R10"}, File: "internal/fence/port_vips.go", Suite: clientPort,
		What: "The element of a VIP has no end, so a frozen agent answers for it for ever.",
		Old:  `if elements := s.elements(addrs, until); len(elements) > 0 {`,
		New:  `if elements := s.elements(addrs, forever); len(elements) > 0 {`,
	},
	{
		Name: "late-serving-stays", Rules: []string{"R4", "R10"}, File: "internal/fence/port_vips.go", Suite: clientPort,
		What: "The clock is not read after a VIP began to be served, and what came too late stays.",
		Old:  "if p.clock() >= until { // R4\n",
		New:  "if p.clock() < 0 { // R4\n",
	},
	{
		Name: "endless-port-of-a-writable-server", Rules: []string{"R9"}, File: "agent/gate.go", Suite: agents,
		What: "The port is opened without end although mysqld turned out to be writable.",
		Old:  `case !replicaOnly(p) || p.Incarnation == a.unsure || p.Incarnation != j.probe.Incarnation:`,
		New:  `case p.Incarnation == a.unsure || p.Incarnation != j.probe.Incarnation:`,
	},
	{
		Name: "endless-port-of-an-unsure-server", Rules: []string{"R9"}, File: "agent/gate.go", Suite: agents,
		What: "The port is opened without end although a statement is under way that may make mysqld writable.",
		Old:  `case !replicaOnly(p) || p.Incarnation == a.unsure || p.Incarnation != j.probe.Incarnation:`,
		New:  `case !replicaOnly(p) || p.Incarnation != j.probe.Incarnation:`,
	},
	{
		Name: "endless-port-of-a-writer", Rules: []string{"R9"}, File: "agent/gate.go", Suite: agents,
		What: "The port is opened without end on a host that has become the writer meanwhile.",
		Old:  `case a.reigning.Load() || j.term != nil:`,
		New:  `case false:`,
	},
	{
		Name: "endless-port-under-a-campaign", Rules: []string{"R9"}, File: "topology/rules_port.go", Suite: stories,
		What: "Readers are let in without end while a campaign of this host may yet make it the writer.",
		Old:  `!v.busy(Campaign, Adopt, Retake, OpenDoor, OpenReaders)`,
		New:  `!v.busy(OpenReaders)`,
	},
	{
		Name: "port-outlives-mysqld", Rules: []string{"R9"}, File: "topology/rules_port.go", Suite: stories,
		What: "The port stays open without end while no mysqld runs, and the next one may have been started writable.",
		Old:  `return v.Probe.Incarnation == "" && v.Port == PortUnlimited && !v.busy(ClosePort)`,
		New:  `return false`,
	},
	{
		Name: "renewal-opens-the-port", Rules: []string{"R8"}, File: "agent/lifetimes.go", Suite: agents,
		What: "A renewal opens the port anew instead of extending it, past the door and its grounds.",
		Old:  "if a.gate.State() == fence.Timed && a.reigning.Load() {\n\t\tif err := a.gate.Extend(",
		New:  "if a.gate.State() != fence.Absent {\n\t\tif err := a.gate.Open(",
	},
	{
		Name: "late-extension-stays", Rules: []string{"R4"}, File: "agent/lifetimes.go", Suite: agents,
		What: "An extension that the kernel took only after the deadline stays.",
		Old:  `if d.Left(a.clock.Now()) <= 0 { // and read again after it (R4)`,
		New:  `if d.IsZero() { // and read again after it (R4)`,
	},
	{
		Name: "closed-without-the-port", Rules: []string{"R8", "R13"}, File: "agent/act_fence.go", Suite: agents,
		What: "The key is given back although the port would not close: only the server was asked.",
		Old:  "if last.Up && last.Incarnation != a.unsure && alive(last.Incarnation) && a.closeServer(hurry) == nil {\n\t\treturn closed\n\t}",
		New:  "if last.Up && last.Incarnation != a.unsure && alive(last.Incarnation) && a.closeServer(hurry) == nil {\n\t\treturn nil\n\t}",
	},
	{
		Name: "gate-taken-away-under-an-agent", Rules: []string{"R7"}, File: "agent/gate.go", Suite: agents,
		What: "The packet filter is cleaned up while an agent runs on this host.",
		Old:  "return fmt.Errorf(\"an agent runs here and would put the rules back (mmmagent stop --release ends it): %w\", err)",
		New:  "return errors.Join(fence.RemoveGate(ctx), fence.New(fence.Options{Log: log}).Remove(ctx))",
	},
	{
		Name: "address-let-go-in-silence", Rules: []string{"R10"}, File: "internal/fence/port_vips.go", Suite: addressGone,
		What: "Who connects to a VIP on its way from one host to the next gets no answer, and tries again only after a second.",
		Old:  "p.remember(addrs, until)\n",
		New:  "_ = p.remember\n",
	},
	{
		Name: "address-refused-although-it-is-back", Rules: []string{"R10"}, File: "internal/fence/gate_rules.go", Suite: addressGone,
		What: "A VIP that comes back at once to the host that let it go is refused there for a second.",
		Old:  `p.addrIn(p.daddr, s.left), p.addrNotIn(p.daddr, s.served), reset())`,
		New:  `p.addrIn(p.daddr, s.left), reset())`,
	},
}
