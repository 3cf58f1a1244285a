// Package aside holds small models of what packages lease and data leave out, one
// a file. Each looks at one question only, with a state of its own: grown into
// the big models, each would multiply their states and say no more.
//
//	numbers.go  R37: numbers of transactions that are used again after a truncation
//	quorum.go   R26: a commit waits for two acknowledgements, and back
//	loss.go     R30: a loss that an operator accepts, once and by name
//	modes.go    R35: MANUAL and PASSIVE
//	claims.go   R10, R54: reader VIPs
//	routers.go  R56-R58: what a router may believe, with etcd and without
package aside

import (
	"slices"

	"github.com/mmm-ha/mmm/chaos/model/explore"
)

// Cases are those of all small models.
func Cases() []explore.Case {
	return slices.Concat(numberCases(), quorumCases(), lossCases(), modeCases(), claimCases(), routerCases())
}

// holds is a case in which every rule is kept.
func holds(name, says string, run func(int) explore.Result) explore.Case {
	return explore.Case{Name: name, Says: says, Want: explore.Holds, Run: run}
}

// breaks is a case that lacks a rule.
func breaks(name, rule, says, why string, run func(int) explore.Result) explore.Case {
	c := explore.Case{Name: name, Rules: []string{rule}, Says: says, Want: explore.Broken, Why: why, Run: run}
	if why == "" {
		c.Want = explore.Stalls
	}
	return c
}
