package gtid

import (
	"cmp"
	"slices"
)

// State is the text of MariaDB's @@gtid_binlog_state: per domain AND server id
// the last transaction that this server wrote to the binlog there. It shows
// what a position hides: after 0-1-27 of its own a host that goes on with
// 0-2-28 still has 0-1-27 in its state. The zero value is an empty binlog.
// A State never changes.
type State struct {
	// By domain, then by server id, but the latest of a domain comes last in
	// it, as MariaDB writes it. Nil when there is nothing.
	entries []triple
}

// ParseState reads the text of @@gtid_binlog_state. Blanks are tolerated as
// Parse does; a domain and server id named twice is an error.
func ParseState(s string) (State, error) {
	type pair struct{ domain, server uint32 }
	seen := map[pair]bool{}
	latest := map[uint32]uint32{} // server by domain
	var list []triple
	for p := range pieces(s) {
		t, err := parseTriple(p)
		if err != nil {
			return State{}, err
		}
		if seen[pair{t.domain, t.server}] {
			return State{}, p.errorf("a state has only one gtid of domain %d and server %d", t.domain, t.server)
		}
		seen[pair{t.domain, t.server}] = true
		if t.number > 0 {
			latest[t.domain] = t.server
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b triple) int {
		late := func(t triple) int {
			if latest[t.domain] == t.server {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(a.domain, b.domain), cmp.Compare(late(a), late(b)), cmp.Compare(a.server, b.server))
	})
	return State{entries: list}, nil
}

// Position is the latest GTID of each domain: what @@gtid_binlog_pos says when
// @@gtid_binlog_state says this.
func (s State) Position() Set {
	var p position
	for i, t := range s.entries {
		if i+1 == len(s.entries) || s.entries[i+1].domain != t.domain {
			p = append(p, t)
		}
	}
	return Set{mariadb: p}
}

// String writes the state as MariaDB does and as it accepts it: by domain, the
// latest GTID of a domain last.
func (s State) String() string { return join(s.entries) }

// MarshalText is String, for JSON and the like; it never fails.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is ParseState. After an error the state is unchanged.
func (s *State) UnmarshalText(text []byte) error {
	parsed, err := ParseState(string(text))
	if err != nil {
		return err
	}
	*s = parsed
	return nil
}

// Errant is the last GTID of mine of each domain and server id in which mine is
// ahead of theirs, in order; nil when there is none. Each stands for at least
// one transaction that this server has and the other lacks.
//
// For a host that should follow the other, that is either a transaction that
// only the host has (its own writes that nobody received, or a local one of an
// administrator), or the other is simply behind: read theirs after mine. A
// state forgets what RESET MASTER and FLUSH BINARY LOGS DELETE_DOMAIN_ID
// removed, so a forgetful other makes more look errant than is, never less; a
// forgetful host of our own may look clean.
func Errant(mine, theirs State) []string {
	var out []string
	for _, t := range mine.entries {
		known := func(o triple) bool { return o.domain == t.domain && o.server == t.server && o.number >= t.number }
		if !slices.ContainsFunc(theirs.entries, known) {
			out = append(out, t.String())
		}
	}
	return out
}
