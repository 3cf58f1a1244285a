package gtid

import "slices"

// Set is a set of transactions, in MariaDB's or MySQL's way of naming them. The
// zero value is the empty set. A Set never changes: methods return new ones.
//
// The two ways name different things, so a set of one neither holds nor lacks
// anything of the other: MariaDB's 0-1-5 and MySQL's uuid:1-5 are Diverged. No
// server has a Set of both; Union makes one rather than lose half of it.
type Set struct {
	// Each is nil when it holds nothing, so that equal sets are deeply equal.
	mariadb position
	mysql   ranges
}

// Empty reports whether the set has no transaction.
func (s Set) Empty() bool { return len(s.mariadb) == 0 && len(s.mysql) == 0 }

// Contains reports whether s has every transaction of o; every set contains the
// empty one. In a MariaDB domain that means a higher number, or the same GTID:
// neither of 0-1-5 and 0-2-5 contains the other.
func (s Set) Contains(o Set) bool {
	return s.mariadb.contains(o.mariadb) && s.mysql.contains(o.mysql)
}

// Equal reports whether both sets have the same transactions.
func (s Set) Equal(o Set) bool {
	return slices.Equal(s.mariadb, o.mariadb) && slices.EqualFunc(s.mysql, o.mysql, stretch.equal)
}

// Continues reports whether s was written by whoever wrote the end of o, and not
// before it: in each MariaDB domain of s the server is that of o, the number not
// lower. The empty set and those of MySQL continue nothing.
func (s Set) Continues(o Set) bool { return s.mariadb.continues(o.mariadb) }

// Minus is what s has and o lacks; it is empty exactly when o contains s.
//
// For MySQL it is the difference of the sets. MariaDB cannot write a difference,
// so there the result has the GTID of s in each domain in which s is beyond o or
// parted from it: 0-1-9,1-1-4 minus 0-1-7,1-1-4 is 0-1-9. What it says is up to
// where s goes, not how much is missing; that is what Distance is for.
func (s Set) Minus(o Set) Set {
	return Set{mariadb: s.mariadb.beyond(o.mariadb), mysql: s.mysql.minus(o.mysql)}
}

// Union is what s and o have together.
//
// In a MariaDB domain the higher number stands for both. When both have the same
// number from different servers, the GTID of the higher server id is taken: any
// choice loses one side, and this one does not depend on the order. Such sets
// are Diverged; ask Compare first where that may be.
func (s Set) Union(o Set) Set {
	return Set{mariadb: s.mariadb.union(o.mariadb), mysql: s.mysql.union(o.mysql)}
}

// Highest is the highest sequence number in the set, over all MariaDB domains or
// MySQL servers; 0 when the set is empty.
func (s Set) Highest() uint64 { return max(s.mariadb.highest(), s.mysql.highest()) }

// String writes the set as its server does, on one line: domains in order,
// servers in order of uuid, neighbouring numbers joined. The empty set is "".
func (s Set) String() string {
	m, y := s.mariadb.String(), s.mysql.String()
	if m == "" || y == "" {
		return m + y
	}
	return m + "," + y
}

// MarshalText is String, for JSON and the like; it never fails.
func (s Set) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is Parse. After an error the set is unchanged.
func (s *Set) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*s = parsed
	return nil
}
