package explore

// Case is one set of rules under one set of faults, with what must come out.
type Case struct {
	Name  string   // "data: without the filter on the writer's port"
	Rules []string // the rules of the protocol that it is about: "R21"
	Says  string   // one sentence: what the rule says, or what the faults are
	Want  Verdict
	Why   string // of Broken: how Result.Why begins, such as "G2"
	Long  bool   // minutes rather than seconds
	Run   func(limit int) Result
}

// Surprise tells how a result differs from what the case wants; "" if it does not.
func (c Case) Surprise(r Result) string {
	switch {
	case r.Verdict == CutOff:
		return "cut off: there are more states than the limit, so nothing is known"
	case r.Verdict == c.Want && len(r.Why) >= len(c.Why) && r.Why[:len(c.Why)] == c.Why:
		return ""
	case c.Want == Holds:
		return "the rules do not hold"
	case r.Verdict == Holds:
		return "nothing breaks: either the rule is not needed, or the model does not see why it is"
	default:
		return "it breaks in another way than it should: want " + string(c.Want) + " " + c.Why
	}
}
