// Package step is the mind of one agent between two of its decisions, without
// its hands: what the agent's loop knows, how each event changes that, what is
// decided on it, and which of the decided actions begin or are cut short.
//
// An agent and the simulation of many of them run the same steps:
//
//	s.TakeCluster(c, now), s.TakeProbe(p, now)   something was read       state.go
//	view, actions := s.Turn(reading)             judge                    turn.go
//	ends, ok := s.Begin(action)                  a lane is free: do it    turn.go
//	s.Finish(outcome, now)                       what came of it          turn.go
//	s.Report(fence, stuck)                       what this host says      report.go
//
// It reads no clock, starts no goroutine, does no input or output and knows no
// context: times are arguments. It never judges; topology.Decide does.
package step
