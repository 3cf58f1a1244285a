package gtid

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// triple is one GTID of MariaDB. The number is never 0, which MariaDB accepts
// and which stands for nothing.
type triple struct {
	domain, server uint32
	number         uint64
}

// String is domain-server-number.
func (t triple) String() string {
	var b []byte
	b = strconv.AppendUint(b, uint64(t.domain), 10)
	b = strconv.AppendUint(append(b, '-'), uint64(t.server), 10)
	b = strconv.AppendUint(append(b, '-'), t.number, 10)
	return string(b)
}

// covers reports whether whoever has done t has done o, a GTID of the same domain.
func (t triple) covers(o triple) bool { return t.number > o.number || t == o }

// compareNumbers orders GTIDs of one domain: by number, then by server id.
func compareNumbers(a, b triple) int {
	return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.server, b.server))
}

// join writes GTIDs as MariaDB does.
func join(list []triple) string {
	parts := make([]string, len(list))
	for i, t := range list {
		parts[i] = t.String()
	}
	return strings.Join(parts, ",")
}

// position is the MariaDB part of a Set: one GTID per domain, by domain.
type position []triple

func (p position) String() string { return join(p) }

// find is the GTID of a domain, if the position has one.
func (p position) find(domain uint32) (triple, bool) {
	i, ok := slices.BinarySearchFunc(p, domain, func(t triple, d uint32) int { return cmp.Compare(t.domain, d) })
	if !ok {
		return triple{}, false
	}
	return p[i], true
}

// has reports whether the position covers one GTID.
func (p position) has(t triple) bool {
	mine, ok := p.find(t.domain)
	return ok && mine.covers(t)
}

func (p position) contains(o position) bool {
	return !slices.ContainsFunc(o, func(t triple) bool { return !p.has(t) })
}

// beyond is the GTIDs of p that o does not cover.
func (p position) beyond(o position) position {
	var out position
	for _, t := range p {
		if !o.has(t) {
			out = append(out, t)
		}
	}
	return out
}

// union takes the highest GTID of each domain.
func (p position) union(o position) position {
	all := slices.Concat(p, o)
	slices.SortFunc(all, func(a, b triple) int {
		return cmp.Or(cmp.Compare(a.domain, b.domain), compareNumbers(b, a))
	})
	return slices.CompactFunc(all, func(a, b triple) bool { return a.domain == b.domain }) // keeps the first
}

func (p position) continues(o position) bool {
	other := func(t triple) bool {
		theirs, ok := o.find(t.domain)
		return !ok || t.server != theirs.server || t.number < theirs.number
	}
	return len(p) > 0 && !slices.ContainsFunc(p, other)
}

func (p position) highest() uint64 {
	var h uint64
	for _, t := range p {
		h = max(h, t.number)
	}
	return h
}

func (p position) distance(o position) uint64 {
	var sum uint64
	for _, t := range p.beyond(o) {
		theirs, _ := o.find(t.domain) // number 0 when o lacks the domain
		sum = add(sum, max(1, t.number-theirs.number))
	}
	return sum
}
