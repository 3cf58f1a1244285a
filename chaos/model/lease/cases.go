package lease

import "github.com/mmm-ha/mmm/chaos/model/explore"

// change is a rule taken out, and the smallest world in which it is missed.
type change struct {
	without string
	rules   []string
	says    string
	off     func(r *Rules)
	env     Env
	long    bool
}

var changes = []change{
	{"counting from before the request", []string{"R1"}, "a deadline counts from the reply", func(r *Rules) { r.FromSent = false }, Env{}, false},
	{"the margin", []string{"R2"}, "a deadline is the end of the lease, and timers may be slow", func(r *Rules) { r.Margin = false }, Env{}, false},
	{"leaving a lost key alone", []string{"R3"}, "a writer whose lease is gone puts its key back", func(r *Rules) { r.NotPutBack = false }, Env{}, false},
	{"reading the clock last", []string{"R4"}, "a lifetime is written as it was computed, however long ago", func(r *Rules) { r.ReadLast = false }, Env{Pauses: true}, false},
	{"asking before resuming", []string{"R5"}, "an agent resumes a reign without asking etcd", func(r *Rules) { r.AskFirst = false }, Env{Faults: 1}, false},
	{"the kernel's lifetime", []string{"R7", "R8"}, "the port closes only if the agent closes it", func(r *Rules) { r.KernelEnds = false }, Env{Faults: 1}, false},
	{"the timed lifetime first", []string{"R8"}, "read_only goes off while the port still has no limit", func(r *Rules) { r.TimedFirst = false }, Env{Faults: 2}, false},
	{"reading read_only at the start", []string{"R9"}, "a new agent gives the port no limit before it has looked", func(r *Rules) { r.ReadBefore = false }, Env{Faults: 1}, false},
	{"closing before deleting", []string{"R13"}, "a writer that gives up deletes the key and then closes", func(r *Rules) { r.CloseFirst = false }, Env{Sick: true}, false},
	{"everybody's promise", []string{"R50"}, "a majority of promises is enough", func(r *Rules) { r.All = false }, Env{Outage: true}, false},
	{"promises that last", []string{"R51"}, "a restarted agent has forgotten what it promised", func(r *Rules) { r.Kept = false }, Env{Outage: true, Faults: 1}, false},
	{"promises that bind campaigns", []string{"R51"}, "a promise is given although an own campaign is on its way", func(r *Rules) { r.Binds = false }, Env{Outage: true}, true},
	{"the list of voters", []string{"R53"}, "a host of the cluster file runs that the writer has never written down", func(r *Rules) { r.OnlyListed = false }, Env{Outage: true, Added: true}, false},
}

// Cases are the worlds that must hold, then each rule taken out alone.
func Cases() []explore.Case {
	w := func(name, says string, env Env, long bool) explore.Case {
		return explore.Case{Name: "lease: " + name, Says: says, Want: explore.Holds, Long: long, Run: runner(Corrected(), env)}
	}
	out := []explore.Case{
		w("all rules, 1 agent dies or freezes", "any agent, at any moment, and it comes back", Env{Faults: 1, Twins: true}, false),
		w("all rules, 2 agents die or freeze", "the same twice, and a writer that gives up by itself", Env{Faults: 2, Sick: true, Twins: true}, true),
		w("all rules, pauses", "an agent is stopped between reading the clock and writing a lifetime", Env{Pauses: true, Twins: true}, false),
		w("all rules, 1 agent dies, pauses", "both", Env{Faults: 1, Pauses: true, Twins: true}, true),
		w("all rules, failsafe", "promises in place of etcd; anything may be late or lost", Env{Outage: true, Twins: true}, true),
		w("all rules, failsafe, a host is added", "C is in the cluster file and not yet in the writer's list", Env{Outage: true, Added: true}, false),
		w("all rules, failsafe, 1 agent dies or freezes", "promises, and an agent that may have given one", Env{Outage: true, Faults: 1, Twins: true}, true),
	}
	for _, c := range changes {
		r := Corrected()
		c.off(&r)
		out = append(out, explore.Case{Name: "lease: without " + c.without, Rules: c.rules, Says: c.says, Want: explore.Broken, Why: "G1", Long: c.long, Run: runner(r, c.env)})
	}
	return out
}

func runner(r Rules, e Env) func(int) explore.Result {
	return func(limit int) explore.Result { return explore.Run(model(r, e), limit) }
}
