// Package conffile reads the small YAML file that a daemon has on its host, and
// says what is wrong with one: every mistake at once, each with the place in the
// file and the way to mend it.
//
// It owns the form of what stands in more than one of these files: durations,
// sizes, how to reach etcd, password files. What a file means is for the daemon
// that it belongs to.
package conffile
