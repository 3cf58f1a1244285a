package election

import "errors"

var (
	// ErrGone says that etcd does not know the lease, or that this process
	// revoked it. It is an answer, not the want of one: the keys on the lease are
	// gone or about to go, and the id must never be used again (R3).
	ErrGone = errors.New("lease is gone")

	// ErrUnreachable says that no etcd member gave a usable answer in time. Whether
	// the request was carried out is unknown. The lease is to be counted on until
	// the session's deadline, and not after it.
	ErrUnreachable = errors.New("no etcd member answered")

	// ErrExpired says that a deadline passed and was not extended before.
	ErrExpired = errors.New("deadline has passed")

	// ErrTermEnded is the cause of a term's context after Term.End.
	ErrTermEnded = errors.New("term has ended")

	// ErrHeld says that another process manages this datadir. The caller must not
	// touch the host.
	ErrHeld = errors.New("datadir is managed by another agent")

	// ErrNoRecord says that there is no runtime record: nothing can be resumed.
	ErrNoRecord = errors.New("no runtime record")

	// ErrOtherBoot says that the runtime record was written before the last boot:
	// nothing in it is true any more and nothing can be resumed.
	ErrOtherBoot = errors.New("runtime record is of another boot")

	// ErrUnsafeFile says that a symbolic link, a device, a directory or the like
	// stands where a plain file must be. A person has to look.
	ErrUnsafeFile = errors.New("not a plain file")

	// errLate marks an answer that came when the deadline it yields had passed, or
	// was earlier than the present one (R3).
	errLate = errors.New("answer came too late to count")
)
