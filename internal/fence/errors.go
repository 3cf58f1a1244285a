package fence

import "errors"

var (
	// ErrUnsupported: the kernel has no nftables, or lacks a part that the rules
	// need. Trying again is of no use; the caller goes on without the rules and
	// says so to the operator.
	ErrUnsupported = errors.New("the kernel lacks nftables or a part of it (CONFIG_NF_TABLES_INET, CONFIG_NF_TABLES_ARP, CONFIG_NFT_REJECT_INET)")

	// ErrForbidden: this process may not change packet filter rules. The operator
	// has to give it CAP_NET_ADMIN.
	ErrForbidden = errors.New("changing packet filter rules needs CAP_NET_ADMIN")

	// ErrClosed: the gate has closed, so there is nothing to extend.
	ErrClosed = errors.New("the client port is closed")

	// ErrLate: the deadline had passed when the kernel was told, or had been told.
	// Whatever was written has been deleted.
	ErrLate = errors.New("the deadline has passed")

	// ErrNotInstalled: Install has not succeeded, or Remove was called since. The
	// list was not changed.
	ErrNotInstalled = errors.New("the packet filter table is not installed")

	// ErrUnknownOutcome: the kernel did not answer in time, so the rules may have
	// changed or not. The next call replaces the whole table.
	ErrUnknownOutcome = errors.New("outcome unknown")
)
