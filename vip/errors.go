package vip

import "errors"

var (
	// ErrForeign: a wanted address is on the interface without our mark, so
	// somebody else put it there. It was not touched. A person has to remove it
	// (the error says how); the caller may try again at any time.
	ErrForeign = errors.New("address was put there by somebody else")

	// ErrLapsed: the deadline up to which an address might be up has passed
	// before it could be extended. The address has been taken down; the caller
	// may bring it back with Reconcile once it holds a newer deadline.
	ErrLapsed = errors.New("deadline has passed")

	// ErrNotUnicast: what was asked for cannot be a virtual address. Asking again
	// is of no use.
	ErrNotUnicast = errors.New("not a plain unicast address")
)
