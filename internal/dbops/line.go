package dbops

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mmm-ha/mmm/internal/binlog"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// line is what the log files of one run hold, in order.
type line struct {
	before []binlog.ID // what the server had before the first of them
	ids    []binlog.ID
	times  map[binlog.ID]uint32 // when each began: a number may be given twice, but not at the same time
}

// lineOf reads the transactions of binlogs, and then what the relay logs hold
// beyond them: received, and not applied.
func lineOf(logs logFiles) (line, error) {
	l := line{times: map[binlog.ID]uint32{}}
	had := point{}
	head, err := binlog.ReadWhole(logs.binlogs, func(t binlog.Whole) error {
		l.ids = append(l.ids, t.ID)
		l.times[t.ID] = t.Time
		return nil
	})
	if err != nil {
		return l, err
	}
	l.before = last(head.Before)
	for _, i := range append(slices.Clone(l.before), l.ids...) {
		had[i.Domain] = i
	}
	_, err = binlog.ReadWhole(logs.relays, func(t binlog.Whole) error {
		if t.Number > had[t.Domain].Number {
			l.ids = append(l.ids, t.ID)
			l.times[t.ID] = t.Time
			had[t.Domain] = t.ID
		}
		return nil
	})
	return l, err
}

// last leaves the highest number of each domain, which is the position.
func last(ids []binlog.ID) []binlog.ID {
	at := point{}
	for _, i := range ids {
		if i.Number > at[i.Domain].Number {
			at[i.Domain] = i
		}
	}
	return slices.Collect(maps.Values(at))
}

// point is a position: the last GTID of each domain.
type point map[uint32]binlog.ID

func pointOf(position gtid.Set) (point, error) {
	out := point{}
	for text := range strings.SplitSeq(position.String(), ",") {
		var i binlog.ID
		if text == "" {
			continue
		}
		if _, err := fmt.Sscanf(text, "%d-%d-%d", &i.Domain, &i.Server, &i.Number); err != nil {
			return nil, fmt.Errorf("%q is no position of MariaDB: %w", position, err)
		}
		out[i.Domain] = i
	}
	return out, nil
}

func (p point) set() (gtid.Set, error) {
	var parts []string
	for _, domain := range slices.Sorted(maps.Keys(p)) {
		parts = append(parts, p[domain].String())
	}
	return gtid.Parse(strings.Join(parts, ","))
}

// end is how far the line goes.
func (l line) end() point {
	out := point{}
	for _, i := range append(slices.Clone(l.before), l.ids...) {
		out[i.Domain] = i
	}
	return out
}

// after is how many transactions of the line a server with that position has. It
// is false when the position is no point of the line: the server has gone
// another way, or the line begins too late.
func (l line) after(position point) (int, bool) {
	had := point{}
	for _, i := range l.before {
		had[i.Domain] = i
	}
	if maps.Equal(had, position) {
		return 0, true
	}
	for n, i := range l.ids {
		had[i.Domain] = i
		if i == position[i.Domain] && maps.Equal(had, position) {
			return n + 1, true
		}
	}
	return 0, false
}
