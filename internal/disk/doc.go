// Package disk finds out whether the file system of a directory takes writes. It
// knows nothing of databases, of time limits and of what to do about it.
//
// It starts no goroutine. A call may hang for as long as the disk does, in a
// state in which not even SIGKILL ends it: the caller makes it where nobody has
// to wait for it.
package disk
