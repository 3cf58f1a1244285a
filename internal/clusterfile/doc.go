// Package clusterfile reads and prints the cluster file, the one document in
// which an operator says what the cluster is.
//
// It owns the file's format: which keys there are, their defaults, and what
// they may say of each other. Parse finds as many mistakes as it can in one
// reading and shows each with its line, the line's text and a caret, so that a
// person mends the file once and not ten times.
//
// It never looks at the world: it does not know whether a host answers or what
// the cluster does at the moment. It reads no files, talks to no etcd and
// starts no goroutines.
//
//	spec, err := clusterfile.Parse("cluster.yaml", data)
//	if err != nil {
//		return err // prints all mistakes, each with a caret
//	}
package clusterfile
