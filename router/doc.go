// Package router is the home of mmmrouter, the proxy in front of the
// applications that splits reads from writes and follows the writer's epoch in
// etcd. Nothing of it exists yet.
package router
