// Package history is what the observers of a chaos run saw, as values on one
// clock, and the files of JSON lines that keep them.
//
// All hosts of a test bed share one kernel, so CLOCK_BOOTTIME in nanoseconds
// orders everything that anybody saw: a client's call on one host, an address
// that came up on another. Every observer has a Recorder, and so a file, of its
// own; Load reads all files of a directory into one History.
//
// An operation ends as OK, Fail (it certainly did not happen) or Unknown (it may
// have happened, or may happen yet).
//
// The package judges nothing (package check does) and starts no goroutine.
package history
