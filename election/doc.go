// Package election keeps an etcd lease and everything that a host has to know
// to act on one: until when it may count on it, when that time is over, which
// reign it is inside of, and what must survive its own process.
//
// It owns
//   - the renewal of one lease (Session) and the deadline that follows from it,
//   - the two clocks on which deadlines are kept (Clock, Instant, Deadline),
//   - the dead-man switch over a deadline (Guard) and a reign (Term),
//   - the lock and the identity in the datadir, the highest epoch in the state
//     directory and the record in the runtime directory.
//
// It never reads or writes a key of etcd, never talks to a database or to the
// kernel's network, and never decides: it says what is so, the agent acts.
//
// Three answers are told apart everywhere. A renewal that was answered moves
// the deadline. A renewal that nobody answered moves nothing: the lease may
// well live, and the deadline says for how long it surely does (ErrUnreachable;
// only this may lead into the failsafe, R49). An etcd that says "no such lease"
// ends the session for ever (ErrGone, R3).
//
// Goroutines: Open, Resume, Run and Revoke start one for each request in flight
// and wait for all of them before they return. Nothing else starts any:
//
//	goroutine      owner           ends
//	request        Session.Run     at its limit of 300 ms, or when another answered
//	request        Open, Resume,   at its limit of 1 s, or when another answered
//	               Session.Revoke
//
// Use, in the agent:
//
//	s, err := election.Open(ctx, election.Options{Members: members, TTL: 2 * time.Second, Log: log})
//	...
//	group.Go(func() error { return s.Run(ctx) })
//	guard := election.NewGuard(clock, s.Deadline())
//	group.Go(func() error { return fenceWhen(guard.Wait(ctx)) })
//	for {
//		select {
//		case d := <-s.Renewed():
//			if guard.Extend(d) { /* extend kernel lifetimes to d */ }
//		case <-s.Gone():
//			guard.Expire()
//			return
//		}
//	}
package election
