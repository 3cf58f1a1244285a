// Package etcdembed runs one etcd member inside a process of ours, for sites
// that have no etcd of their own: `mmmagent etcd` is a thin wrapper around it.
//
// It owns the member's data directory (mode 0700, locked, marked with the
// member's name), its listeners, its start (forming a cluster, joining one as
// a learner, or going on with what the directory holds) and its clean stop.
// It also holds what operators and agents ask of a cluster's membership over
// the client API: Members, Statuses, AddMember, RemoveMember, MoveLeaderAway.
//
// It never reads or writes a key, never wipes a data directory and never
// removes a member on its own: each of these can cost the quorum, so the error
// names the fix and a person decides. It imports nothing of ours but the
// bridge from zap to slog.
//
// The member belongs in a process of its own. etcd ends its process when it
// can no longer trust its files, and an agent that restarts, crashes or hangs
// must take no quorum member with it.
//
// Goroutines:
//
//	Server.run    started by Start, waited for by Stop; reports progress until
//	              the member is ready, promotes a learner, watches for its end
//	etcd's own    started by Start, ended by Stop
//	Server.shut   started by Stop; outlives Stop only if Stop's context ends first
//	askPeers,     one per member asked, waited for before the function returns
//	Statuses
//
// Example:
//
//	server, err := etcdembed.Start(ctx, options)
//	if err != nil {
//		return err // one sentence: what is wrong and what to do
//	}
//	defer server.Stop(stopCtx)
//	select {
//	case <-server.Ready():
//	case err := <-server.Err():
//		return err
//	}
package etcdembed
