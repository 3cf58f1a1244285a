package gtid

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
)

const (
	blanks    = " \t\r\n" // tolerated around every piece: MySQL breaks its lines, people add spaces
	tagMax    = 32        // characters, MySQL's limit
	quotedMax = 60        // characters of a bad piece that an error repeats
)

// Parse reads a set and finds out by itself who wrote it: a piece with a colon
// is MySQL's, any other MariaDB's. Blanks and line ends are tolerated around
// every piece; the empty text is the empty set. MySQL's numbers may be in any
// order and overlap; two GTIDs of one MariaDB domain are an error, as they are
// for MariaDB. An error names the first bad piece, its place and what is wrong.
func Parse(s string) (Set, error) { return parse(s, MariaDB, MySQL) }

// ParseFlavor is Parse for a text that must be of one flavor.
func ParseFlavor(f Flavor, s string) (Set, error) { return parse(s, f) }

func parse(s string, allowed ...Flavor) (Set, error) {
	var list []triple
	domains := map[uint32]bool{}
	runs := map[origin][]run{}
	for p := range pieces(s) {
		f := p.flavor()
		if !slices.Contains(allowed, f) {
			return Set{}, p.errorf("expected %s", allowed[0].form())
		}
		if f == MySQL {
			if err := parseRanges(p, runs); err != nil {
				return Set{}, err
			}
			continue
		}
		t, err := parseTriple(p)
		if err != nil {
			return Set{}, err
		}
		if domains[t.domain] {
			return Set{}, p.errorf("a position has only one gtid of domain %d", t.domain)
		}
		domains[t.domain] = true
		if t.number > 0 {
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b triple) int { return cmp.Compare(a.domain, b.domain) })
	return Set{mariadb: list, mysql: collect(runs)}, nil
}

// piece is a part of the text with its place, for error messages.
type piece struct {
	text string
	at   int // bytes before it in the whole text
}

// pieces are the comma-separated parts of the text, none when it is blank.
func pieces(s string) iter.Seq[piece] {
	if strings.Trim(s, blanks) == "" {
		return func(func(piece) bool) {}
	}
	return piece{text: s}.split(",")
}

// split is the parts between separators, without the blanks around them.
func (p piece) split(sep string) iter.Seq[piece] {
	return func(yield func(piece) bool) {
		at := p.at
		for text := range strings.SplitSeq(p.text, sep) {
			left := strings.TrimLeft(text, blanks)
			if !yield(piece{strings.TrimRight(left, blanks), at + len(text) - len(left)}) {
				return
			}
			at += len(text) + len(sep)
		}
	}
}

func (p piece) flavor() Flavor {
	if strings.Contains(p.text, ":") {
		return MySQL
	}
	return MariaDB
}

// errorf says what is wrong with the piece, and where it is, counted from 1.
func (p piece) errorf(format string, args ...any) error {
	text := p.text
	if len(text) > quotedMax {
		text = text[:quotedMax] + "..."
	}
	return fmt.Errorf("parse gtids: %q at character %d: %s", text, p.at+1, fmt.Sprintf(format, args...))
}

// number reads plain digits up to limit.
func (p piece) number(what string, limit uint64) (uint64, error) {
	n, err := strconv.ParseUint(p.text, 10, 64)
	if err != nil || n > limit {
		return 0, p.errorf("the %s must be a number from 0 to %d", what, limit)
	}
	return n, nil
}

// parseTriple reads domain-server-number. The number may be 0, which the caller
// drops: MariaDB accepts and shows 0-1-0, and it stands for no transaction.
func parseTriple(p piece) (triple, error) {
	parts := slices.Collect(p.split("-"))
	if len(parts) != 3 {
		return triple{}, p.errorf("a gtid is %s for MariaDB, %s for MySQL", MariaDB.form(), MySQL.form())
	}
	domain, err := parts[0].number("domain", math.MaxUint32)
	if err != nil {
		return triple{}, err
	}
	server, err := parts[1].number("server id", math.MaxUint32)
	if err != nil {
		return triple{}, err
	}
	n, err := parts[2].number("sequence number", math.MaxUint64)
	if err != nil {
		return triple{}, err
	}
	return triple{uint32(domain), uint32(server), n}, nil
}

// parseRanges reads uuid:1-5:7:tag:1-3 into runs. A tag holds for what follows it.
func parseRanges(p piece, runs map[origin][]run) error {
	var from origin
	bare := piece{} // a tag that no number has followed yet
	first := true
	for part := range p.split(":") {
		switch {
		case first:
			first = false
			if !isUUID(part.text) {
				return part.errorf("a set of MySQL begins with a uuid of 32 hexadecimal digits in groups of 8-4-4-4-12")
			}
			from.uuid = strings.ToLower(part.text)
		case isTag(part.text):
			if bare.text != "" {
				return bare.errorf("no number follows the tag")
			}
			from.tag, bare = strings.ToLower(part.text), part
		default:
			r, err := parseRun(part)
			if err != nil {
				return err
			}
			runs[from], bare = append(runs[from], r), piece{}
		}
	}
	if bare.text != "" {
		return bare.errorf("no number follows the tag")
	}
	return nil
}

// parseRun reads 7 or 1-5.
func parseRun(p piece) (run, error) {
	var ends []uint64
	for part := range p.split("-") {
		n, err := part.number("transaction", maxNumber)
		if err != nil {
			return run{}, err
		}
		ends = append(ends, n)
	}
	r := run{ends[0], ends[len(ends)-1]}
	switch {
	case len(ends) > 2:
		return run{}, p.errorf("a range has two ends")
	case r.first == 0:
		return run{}, p.errorf("the first transaction has number 1")
	case r.first > r.last:
		return run{}, p.errorf("the range runs backwards")
	}
	return r, nil
}

// isUUID reports whether s is a uuid in hexadecimal digits of either case.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case !isDigit(c) && (c < 'a' || c > 'f') && (c < 'A' || c > 'F'):
			return false
		}
	}
	return true
}

// isTag reports whether s is a tag of MySQL: letters, digits and _, no digit first.
func isTag(s string) bool {
	if s == "" || len(s) > tagMax || isDigit(s[0]) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isDigit(c) && c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
