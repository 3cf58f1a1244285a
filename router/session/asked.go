package session

import (
	"bytes"
	"slices"

	"github.com/mmm-ha/mmm/router/wire"
)

// The router asks servers to report every change of a session. A client that
// agreed on session tracking is told what it would be told by the server itself:
// what it asked for, or what servers report unasked.

// asked is what the client wants to hear of its session. The zero value is what
// servers report unasked.
type asked struct {
	variables   string // list; empty: reportedUnasked
	noSchema    bool
	state       bool
	gtids       bool
	transaction bool // its letters
	statements  bool // those that would begin it again
}

// reportedUnasked is the default of session_track_system_variables, of MariaDB and
// of MySQL.
var reportedUnasked = []string{"autocommit", "character_set_client", "character_set_connection", "character_set_results", "time_zone", "redirect_url"}

// told takes what the server reports of the reports.
func (a *asked) told(name, value []byte) {
	switch string(name) {
	case "session_track_system_variables":
		a.variables = string(value)
	case "session_track_schema":
		a.noSchema = string(value) == "OFF"
	case "session_track_state_change":
		a.state = string(value) == "ON"
	case "session_track_gtids":
		a.gtids = string(value) != "OFF"
	case "session_track_transaction_info":
		a.transaction = string(value) != "OFF"
		a.statements = string(value) == "CHARACTERISTICS"
	}
}

// wants reports whether the client wants to hear that.
func (a *asked) wants(kind wire.Track, name []byte) bool {
	switch kind {
	case wire.TrackVariable:
		if a.variables != "" { // the server goes by that list itself, or by all
			return true
		}
		return slices.Contains(reportedUnasked, string(name))
	case wire.TrackSchema:
		return !a.noSchema
	case wire.TrackState:
		return a.state
	case wire.TrackGTIDs:
		return a.gtids
	case wire.TrackTransaction:
		return a.transaction
	case wire.TrackCharacteristics:
		return a.statements
	default:
		return false
	}
}

// setsReports reports whether a statement may change what the server reports. It
// may do so without the server's saying so.
func setsReports(sql []byte) bool {
	return bytes.Contains(bytes.ToLower(sql), []byte("session_track_system"))
}
