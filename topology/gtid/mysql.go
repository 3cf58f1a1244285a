package gtid

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

// maxNumber is the highest number that MySQL gives to a transaction.
const maxNumber = math.MaxInt64 - 1

// run is the numbers from first to last, both included; 1 <= first <= last <= maxNumber.
type run struct{ first, last uint64 }

func (r run) String() string {
	if r.first == r.last {
		return strconv.FormatUint(r.first, 10)
	}
	return strconv.FormatUint(r.first, 10) + "-" + strconv.FormatUint(r.last, 10)
}

// tidy sorts runs and joins those that overlap or touch. It takes the slice over.
func tidy(runs []run) []run {
	slices.SortFunc(runs, func(a, b run) int { return cmp.Compare(a.first, b.first) })
	out := runs[:0]
	for _, r := range runs {
		if n := len(out); n > 0 && r.first <= out[n-1].last+1 {
			out[n-1].last = max(out[n-1].last, r.last)
			continue
		}
		out = append(out, r)
	}
	return out
}

// cut is the numbers of a that are not in b. Both are tidy, and so is the result.
func cut(a, b []run) []run {
	var out []run
	for _, r := range a {
		for len(b) > 0 && b[0].last < r.first {
			b = b[1:]
		}
		for _, hole := range b {
			if hole.first > r.last {
				break
			}
			if hole.first > r.first {
				out = append(out, run{r.first, hole.first - 1})
			}
			r.first = hole.last + 1
		}
		if r.first <= r.last {
			out = append(out, r)
		}
	}
	return out
}

// origin is where transactions of MySQL are numbered: a server's uuid in lower
// case and, since MySQL 8.3, a tag, which is empty for most.
type origin struct{ uuid, tag string }

func compareOrigins(a, b origin) int {
	return cmp.Or(cmp.Compare(a.uuid, b.uuid), cmp.Compare(a.tag, b.tag))
}

// stretch is the numbers of one origin: tidy, at least one.
type stretch struct {
	origin
	runs []run
}

func (s stretch) equal(o stretch) bool { return s.origin == o.origin && slices.Equal(s.runs, o.runs) }

// ranges is the MySQL part of a Set: one stretch per origin, in order of origins.
type ranges []stretch

// collect makes ranges from numbers in any order. It takes the slices over.
func collect(runs map[origin][]run) ranges {
	var out ranges
	for from, list := range runs {
		if len(list) > 0 {
			out = append(out, stretch{from, tidy(list)})
		}
	}
	slices.SortFunc(out, func(a, b stretch) int { return compareOrigins(a.origin, b.origin) })
	return out
}

// String is uuid:numbers:tag:numbers,uuid:numbers as MySQL writes it, but on one line.
func (r ranges) String() string {
	var b strings.Builder
	for i, s := range r {
		if i == 0 || r[i-1].uuid != s.uuid {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(s.uuid)
		}
		if s.tag != "" {
			b.WriteString(":" + s.tag)
		}
		for _, n := range s.runs {
			b.WriteString(":" + n.String())
		}
	}
	return b.String()
}

// find is the numbers of an origin; nil when there are none.
func (r ranges) find(from origin) []run {
	i, ok := slices.BinarySearchFunc(r, from, func(s stretch, o origin) int { return compareOrigins(s.origin, o) })
	if !ok {
		return nil
	}
	return r[i].runs
}

func (r ranges) contains(o ranges) bool { return len(o.minus(r)) == 0 }

func (r ranges) minus(o ranges) ranges {
	var out ranges
	for _, s := range r {
		if left := cut(s.runs, o.find(s.origin)); len(left) > 0 {
			out = append(out, stretch{s.origin, left})
		}
	}
	return out
}

func (r ranges) union(o ranges) ranges {
	all := map[origin][]run{}
	for _, s := range slices.Concat(r, o) {
		all[s.origin] = append(all[s.origin], s.runs...)
	}
	return collect(all)
}

func (r ranges) highest() uint64 {
	var h uint64
	for _, s := range r {
		h = max(h, s.runs[len(s.runs)-1].last)
	}
	return h
}

func (r ranges) count() uint64 {
	var sum uint64
	for _, s := range r {
		for _, n := range s.runs {
			sum = add(sum, n.last-n.first+1)
		}
	}
	return sum
}
