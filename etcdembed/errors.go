package etcdembed

import "errors"

var (
	// ErrOtherOwner says that the data directory holds a member of another
	// name, address or cluster. Nothing was changed; correct the configuration
	// or point it at another directory.
	ErrOtherOwner = errors.New("data directory belongs to another member")

	// ErrInUse says that another process holds the data directory, or one of
	// the two ports. Nothing was changed; stop that process first.
	ErrInUse = errors.New("in use")

	// ErrAlreadyMember says that the cluster has a started member with this
	// name or address while the data directory here is empty. A member that
	// forgot what it voted for must not come back under its old identity:
	// remove the old member, then start with Join.
	ErrAlreadyMember = errors.New("already a member")

	// ErrNotMember says that a running cluster does not list this member.
	// Start with Join to add it.
	ErrNotMember = errors.New("not a member")

	// ErrRemoved says that the cluster has removed this member for good; its
	// data directory is of no further use. Move it away and start with Join.
	ErrRemoved = errors.New("removed from the cluster")

	// ErrUnreachable says that no member answered. Nothing was changed, and
	// nothing is known about the cluster; try again when one is up.
	ErrUnreachable = errors.New("no member answers")

	// ErrNoSuccessor says that leadership should move but no other healthy
	// voting member is there to take it. Nothing was changed.
	ErrNoSuccessor = errors.New("no other healthy voting member")

	// ErrUnknownOutcome says that a request was sent and its answer did not
	// arrive: it may have been carried out. Read the state before acting on it.
	ErrUnknownOutcome = errors.New("outcome unknown")
)
