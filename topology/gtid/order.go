package gtid

import (
	"fmt"
	"math"
)

// Order is how one set of transactions stands to another. The zero value is invalid.
type Order int

// The four ways in which two sets can stand to each other.
const (
	Equal    Order = iota + 1 // the same transactions
	Before                    // the other has all of these, and more
	After                     // these are all of the other's, and more
	Diverged                  // each has something that the other lacks
)

// String is the order as one English word.
func (o Order) String() string {
	switch o {
	case Equal:
		return "equal"
	case Before:
		return "before"
	case After:
		return "after"
	case Diverged:
		return "diverged"
	default:
		return fmt.Sprintf("invalid order %d", int(o))
	}
}

// Compare says how a stands to b: Before when b has all of a and more.
func Compare(a, b Set) Order {
	switch behind, ahead := b.Contains(a), a.Contains(b); {
	case behind && ahead:
		return Equal
	case behind:
		return Before
	case ahead:
		return After
	default:
		return Diverged
	}
}

// Distance is how many transactions a has that b lacks; 0 exactly when b
// contains a. For MySQL it is a count. For MariaDB it is the sum over the
// domains of the numbers by which a is beyond b, and 1 for a domain in which
// both have the same number from different servers, where it is at least that.
// Numbers may have been jumped over, so it is an estimate for people and not for
// decisions. It stops at the highest uint64.
func Distance(a, b Set) uint64 {
	return add(a.mariadb.distance(b.mariadb), a.mysql.minus(b.mysql).count())
}

// add is a sum that stops at the highest value instead of starting again at 0.
func add(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}
