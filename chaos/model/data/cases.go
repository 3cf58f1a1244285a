package data

import "github.com/mmm-ha/mmm/chaos/model/explore"

// change is a rule taken out, and the smallest world in which it is missed.
type change struct {
	without string
	rules   []string
	says    string
	off     func(r *Rules)
	env     Env
	want    explore.Verdict
	why     string
	long    bool
}

const (
	safety = "G2"
	accept = "G1"
)

// The worlds.
var (
	one         = Env{Tx: 2, Faults: 1}
	two         = Env{Tx: 1, Faults: 2}
	lasting     = Env{Tx: 2, Faults: 1, NoReturn: true}
	order       = Env{Tx: 2, Faults: 1, Switchover: true}
	orderLast   = Env{Tx: 2, Faults: 1, Switchover: true, NoReturn: true}
	paused      = Env{Tx: 2, Faults: 1, NoFence1: true}
	degrade     = Env{Tx: 1, Faults: 2, Degrade: true}
	late        = Env{Tx: 1, Faults: 1, Late: true}
	lateTwo     = Env{Tx: 1, Faults: 2, Late: true}
	threeDeaths = Env{Tx: 1, Faults: 3, Kinds: Mysqld}
	forsaken    = Env{Tx: 1, Faults: 3, Kinds: Hang, Degrade: true}
)

// holding are the worlds in which all rules together must hold.
func holding() []explore.Case {
	w := func(name, says string, env Env, long bool) explore.Case {
		return explore.Case{Name: "data: " + name, Says: says, Want: explore.Holds, Long: long, Run: runner(Corrected(), env)}
	}
	return []explore.Case{
		w("all rules, 1 fault", "any one fault, at any moment", one, false),
		w("all rules, 1 fault, nothing comes back", "any one fault, and what it took stays away", lasting, false),
		w("all rules, 1 fault, fence 1 defeated", "a virtual machine is paused and its port stays open", paused, false),
		w("all rules, 1 fault, late writes", "a put of reign arrives any time later", late, false),
		w("all rules, 1 fault, switchover", "a planned switchover, and a fault in its middle", order, true),
		w("all rules, 1 fault, switchover, nothing comes back", "the same, and what it took stays away", orderLast, false),
		w("all rules, 2 faults", "any two faults, at any moments", two, true),
		w("all rules, 2 faults, late writes", "any two faults, and a put of reign arrives any time later", lateTwo, true),
		w("all rules, 2 faults, degrade", "the policy lets a writer go on alone", degrade, true),
		w("all rules, 3 deaths of mysqld", "the set is lost again and again, and heirs take it over", threeDeaths, true),
	}
}

func runner(r Rules, e Env) func(int) explore.Result {
	return func(limit int) explore.Result { return explore.Run(model(r, e), limit) }
}

// Cases are the worlds that must hold, then each rule taken out alone.
func Cases() []explore.Case {
	out := holding()
	for _, c := range changes {
		r := Corrected()
		c.off(&r)
		out = append(out, explore.Case{
			Name: "data: without " + c.without, Rules: c.rules, Says: c.says, Want: c.want, Why: c.why, Long: c.long, Run: runner(r, c.env),
		})
	}
	return out
}
