package gtid

import (
	"cmp"
	"slices"
)

// Joint is where one reign of a cluster follows on another: the transaction
// After came directly after everything up to Before. Numbers between the two
// were never of the line; a host that has one has parted from it.
type Joint struct {
	Before Set `json:"before"`
	After  Set `json:"after"`
}

// Line is what a source's history is made of, as exactly as it can be told
// without reading its binlogs: the joints between its last reigns, and its state.
//
// The joints see what a state hides. A server that was killed cuts off what
// nobody acknowledged and gives the same numbers again; its state then says that
// it has them, and somebody else has other transactions under them. Between two
// joints all transactions are of one server, the one that reigned.
type Line struct {
	Joints []Joint // of the last reigns, in any order; a domain may be missing in some
	State  State   // of the source
	Tip    Set     // where the present reign began, while its first transaction cannot be seen yet: for what is beyond, the state alone counts
}

// Foreign reports whether a transaction is certainly not of the line. What is
// older than the first joint, or than the state remembers, is not certain. Only
// the MariaDB part of the set is looked at; one GTID of it is enough.
func (l Line) Foreign(id Set) bool {
	return slices.ContainsFunc(id.mariadb, l.foreign)
}

// Covers reports whether a transaction is certainly of the line: between two
// joints and of the server that reigned, or in the state. The empty set is not.
func (l Line) Covers(id Set) bool {
	return len(id.mariadb) > 0 && !slices.ContainsFunc(id.mariadb, func(t triple) bool { return l.foreign(t) || !l.reached(t) })
}

// reached reports whether the line has come as far as t, on t's own server.
func (l Line) reached(t triple) bool {
	if l.State.has(t) {
		return true
	}
	joints := l.joints(t.domain)
	for i := range joints[:max(0, len(joints)-1)] {
		if joints[i].after.server == t.server && t.number >= joints[i].after.number && t.number <= joints[i+1].before.number {
			return true
		}
	}
	return false
}

func (l Line) foreign(t triple) bool {
	if tip, ok := l.Tip.mariadb.find(t.domain); ok && t.number > tip.number {
		return !l.State.has(t)
	}
	joints := l.joints(t.domain)
	var under *triple // first transaction of the reign that the number falls into
	for i := range joints {
		switch j := &joints[i]; {
		case t.number > j.before.number && t.number < j.after.number:
			return true
		case t.number == j.before.number && j.before.number > 0 && t != j.before:
			return true
		case t.number >= j.after.number:
			under = &j.after
		}
	}
	if under == nil || under.server == t.server {
		return false
	}
	return !l.State.has(t)
}

// joints are those of a domain, oldest first. One that begins a domain has no
// Before.
func (l Line) joints(domain uint32) []struct{ before, after triple } {
	var out []struct{ before, after triple }
	for _, j := range l.Joints {
		after, ok := j.After.mariadb.find(domain)
		if !ok {
			continue
		}
		before, _ := j.Before.mariadb.find(domain)
		out = append(out, struct{ before, after triple }{before, after})
	}
	slices.SortFunc(out, func(a, b struct{ before, after triple }) int {
		return cmp.Compare(a.after.number, b.after.number)
	})
	return out
}

// ForeignIn is what of a host's state is certainly not of the line, in order:
// the last GTID of each domain and server.
func (l Line) ForeignIn(mine State) []string {
	var out []string
	for _, t := range mine.entries {
		if l.foreign(t) {
			out = append(out, t.String())
		}
	}
	return out
}

// Strays is what a server wrote behind the beginning of a reign of another server:
// the last GTID of each domain that start names, in order. Rows of reigns of its own
// that joints name, and all behind them, are left out; so is everything when the
// joints do not reach back to start.
func (s State) Strays(server uint32, start Set, joints []Joint) []string {
	var out []string
	for _, t := range s.entries {
		first, ok := start.mariadb.find(t.domain)
		if !ok || t.server != server || first.server == server || t.number <= first.number {
			continue
		}
		known := Line{Joints: joints}.joints(t.domain)
		forgotten := len(known) > 0 && known[0].after.number > first.number
		reigned := slices.ContainsFunc(known, func(j struct{ before, after triple }) bool {
			return j.after.server == server && j.after.number > first.number && j.after.number <= t.number
		})
		if !forgotten && !reigned {
			out = append(out, t.String())
		}
	}
	return out
}

// has reports whether the state has a transaction of that number or a later one
// of the same domain and server.
func (s State) has(t triple) bool {
	return slices.ContainsFunc(s.entries, func(o triple) bool {
		return o.domain == t.domain && o.server == t.server && o.number >= t.number
	})
}

// Knows reports whether the state has a transaction of that number or a later one
// of the same server, for every GTID of id.
func (s State) Knows(id Set) bool {
	return !slices.ContainsFunc(id.mariadb, func(t triple) bool { return !s.has(t) })
}

// With is the state after one more transaction of each domain that id names.
func (s State) With(id Set) State {
	out := State{}
	moved := func(t triple) bool {
		return slices.ContainsFunc(id.mariadb, func(n triple) bool { return n.domain == t.domain && n.server == t.server })
	}
	for _, t := range s.entries {
		if !moved(t) {
			out.entries = append(out.entries, t)
		}
	}
	for _, n := range id.mariadb {
		// Last of its domain, which is what the order of a state says.
		at := len(out.entries)
		for i, t := range out.entries {
			if t.domain > n.domain {
				at = i
				break
			}
		}
		out.entries = slices.Insert(out.entries, at, n)
	}
	return out
}

// Join is the state after all that o has seen since s: of each domain and server
// what o says, and otherwise what s says.
func (s State) Join(o State) State {
	for _, t := range o.entries {
		s = s.With(Set{mariadb: position{t}})
	}
	return s
}
