// Package router is mmmrouter, the proxy in front of the applications that splits
// reads from writes and follows the writer's epoch in etcd. This package is what
// stands around the conversations with clients: the file, listeners, limits, the
// registry of sessions and its sweeper, the pages for operators, reload and drain.
//
// What it never does: read a statement, choose a server, or believe anybody about
// who the writer is. A Conversation does that; docs/design/0012-the-router.md says
// of which packages it is made.
//
// One client, followed through the files: listen.go accepts its connection; serve.go lets
// proxyproto say where it comes from; registry.go gives it an id; the Conversation
// greets it and asks gate.go for a place when it knows the user; sweep.go ends it
// when it is idle for too long or its client is gone, stranded.go when the address has left by
// which the client came; drain.go when the router ends.
//
// Goroutines, all started by Run and waited for there:
//
//	accept    one a listener: takes connections                  listen.go
//	session   one a client: reads its PROXY header, then Serve   serve.go
//	sweep     once a second: looks at all sessions               sweep.go
//	kill      one for each statement that the sweeper ends       sweep.go
//	watch     looks for new certificates                         tls.go
//	slow log  writes slow statements                             package tally
//	pages     the HTTP server for operators, and one a request   pages.go
//	beside    what Options.Beside does: it follows the cluster   router.go
package router
