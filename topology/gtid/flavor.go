package gtid

import "fmt"

// Flavor is a server's way of naming transactions. The zero value is no flavor:
// nothing but the empty set is written in it.
type Flavor int

// The flavors.
const (
	MariaDB Flavor = iota + 1 // domain-server-number, one per domain
	MySQL                     // uuid:numbers or uuid:tag:numbers
)

// String is the name of the server that the flavor belongs to.
func (f Flavor) String() string {
	switch f {
	case MariaDB:
		return "MariaDB"
	case MySQL:
		return "MySQL"
	default:
		return fmt.Sprintf("invalid flavor %d", int(f))
	}
}

// form is what a piece of a set looks like, for error messages.
func (f Flavor) form() string {
	switch f {
	case MariaDB:
		return "domain-server-number"
	case MySQL:
		return "uuid:numbers"
	default:
		return "the empty set"
	}
}
