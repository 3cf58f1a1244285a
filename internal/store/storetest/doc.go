// Package storetest gives tests a real etcd: one embedded member on loopback
// with short timeouts, and a proxy that can freeze or cut the way to it.
//
// It is for tests only. Everything it starts ends with the test: the goroutines
// of the embedded server, and per connection of a Proxy two that copy bytes.
package storetest
