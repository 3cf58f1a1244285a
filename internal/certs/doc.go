// Package certs reads the certificates with which programs show themselves to
// etcd and to each other, and says why a connection with them does not come about:
// one sentence with the cause, the file and what to do.
//
// Files are read anew for each connection, the CA too, so that what is renewed on
// disk is taken without a restart. A connection that stands is not touched: TLS
// looks at certificates when it begins. What cannot be read while a program runs,
// perhaps because somebody is just writing it, is left: the last that was whole is
// used on, and whoever is on the other side says when that has become too old.
//
// It starts no goroutines and writes nothing.
package certs
