package router

import "time"

// NobodyIsKnown is what is said when the file names nothing by which users are known.
const NobodyIsKnown = "no client reads from a reader: neither `users.passwordFile` nor `users.file` says who the users are " +
	"(mmmrouter grants makes the account that reads them from the servers)"

// Accounts is what a router knows of who may log in.
type Accounts struct {
	Known   int       `json:"known"`         // users
	Looked  bool      `json:"looked"`        // it was looked at least once, well or not
	Read    time.Time `json:"read,omitzero"` // when the servers' accounts were last read; zero: never
	Problem string    `json:"problem,omitempty"`
}
