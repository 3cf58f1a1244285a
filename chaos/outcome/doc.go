// Package outcome is what a chaos run came to, in one value: valid or not, what
// was violated, what each fault cost. It is made from a history (package
// history) and the verdicts on it (package check), kept as a line of JSON, and
// shown as a page of HTML with one picture.
//
// The package starts no goroutine and reads no clock.
package outcome
