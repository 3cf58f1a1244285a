package etcdembed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/mmm-ha/mmm/internal/certs"
)

const (
	// changeLimit bounds one question to the cluster or one change of it.
	changeLimit = 5 * time.Second
	// statusLimit bounds the question to one member, which may be down.
	statusLimit = time.Second
)

// Access is the way to a cluster's client ports. It may name any of the
// members; TLS may be nil for plain http.
type Access struct {
	Endpoints []string
	TLS       *certs.Certs
}

// Member is one member of a cluster. Name and ClientURLs are empty until it
// has started for the first time.
type Member struct {
	ID         uint64
	Name       string
	PeerURLs   []string
	ClientURLs []string
	Learner    bool // has no vote
}

// Label is the name, or the address of a member that has none yet.
func (m Member) Label() string {
	if m.Name != "" {
		return m.Name
	}
	return strings.Join(m.PeerURLs, ",")
}

// MemberStatus is a member and what it says of itself.
type MemberStatus struct {
	Member
	Err       error // why it did not answer; the fields below are then zero
	Leader    bool
	Version   string
	DBBytes   int64  // size of the database file
	RaftIndex uint64 // how far its log reaches
	Alarms    []string

	follows uint64 // the member that it takes for the leader, 0 if none
}

// Members lists the members of the cluster, by name. It asks the leader, so an
// error also says that there may be no quorum.
func Members(ctx context.Context, at Access) ([]Member, error) {
	client, err := dial(at)
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Close() }()
	return listMembers(ctx, client)
}

// Statuses lists the members of the cluster, by name, and asks each of them
// for its status, all at once, with a limit of one second.
func Statuses(ctx context.Context, at Access) ([]MemberStatus, error) {
	client, err := dial(at)
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Close() }()
	members, err := listMembers(ctx, client)
	if err != nil {
		return nil, err
	}
	return askStatuses(ctx, client, members), nil
}

// AddMember adds a member with the peer URL as a learner. A voter that is not
// there yet would count against the quorum at once; a learner does not, and
// Start promotes it when it has caught up. ErrAlreadyMember: the URL is taken.
// Any error that is not from the cluster itself leaves the outcome unknown; to
// call it again is safe.
func AddMember(ctx context.Context, at Access, peerURL string) (Member, error) {
	client, err := dial(at)
	if err != nil {
		return Member{}, err
	}
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(ctx, changeLimit)
	defer cancel()
	reply, err := client.MemberAddAsLearner(ctx, []string{peerURL})
	if err != nil {
		return Member{}, fmt.Errorf("add member %s: %w", peerURL, explainChange(err))
	}
	return fromProto(reply.Member), nil
}

// RemoveMember removes the member with that name, hexadecimal id or peer URL,
// and returns what was removed. etcd refuses when too few healthy members
// would remain. ErrNotMember: no such member. Calling it again is safe.
func RemoveMember(ctx context.Context, at Access, who string) (Member, error) {
	client, err := dial(at)
	if err != nil {
		return Member{}, err
	}
	defer func() { _ = client.Close() }()
	members, err := listMembers(ctx, client)
	if err != nil {
		return Member{}, err
	}
	i := slices.IndexFunc(members, func(m Member) bool { return m.is(who) })
	if i < 0 {
		return Member{}, fmt.Errorf("remove %s: %w; the cluster has %s", who, ErrNotMember, labels(members))
	}
	ctx, cancel := context.WithTimeout(ctx, changeLimit)
	defer cancel()
	if _, err := client.MemberRemove(ctx, members[i].ID); err != nil {
		return Member{}, fmt.Errorf("remove member %s: %w", members[i].Label(), explainChange(err))
	}
	return members[i], nil
}

func (m Member) is(who string) bool {
	return who != "" && (m.Name == who || strconv.FormatUint(m.ID, 16) == who || slices.Contains(m.PeerURLs, who))
}

func dial(at Access) (*clientv3.Client, error) {
	// Nothing is logged: every error is returned.
	config := clientv3.Config{Endpoints: at.Endpoints, Logger: zap.NewNop()}
	if at.TLS != nil && strings.HasPrefix(strings.Join(at.Endpoints, ""), "https:") {
		config.DialOptions = []grpc.DialOption{grpc.WithTransportCredentials(at.TLS.Credentials(func(error) {}))}
	}
	client, err := clientv3.New(config)
	if err != nil {
		return nil, fmt.Errorf("open etcd client for %s: %w", strings.Join(at.Endpoints, ", "), err)
	}
	return client, nil
}

func listMembers(ctx context.Context, client *clientv3.Client) ([]Member, error) {
	ctx, cancel := context.WithTimeout(ctx, changeLimit)
	defer cancel()
	reply, err := client.MemberList(ctx)
	if err != nil {
		return nil, fmt.Errorf("list etcd members at %s: %w", strings.Join(client.Endpoints(), ", "), err)
	}
	members := make([]Member, 0, len(reply.Members))
	for _, m := range reply.Members {
		members = append(members, fromProto(m))
	}
	slices.SortFunc(members, func(a, b Member) int { return strings.Compare(a.Label(), b.Label()) })
	return members, nil
}

func askStatuses(ctx context.Context, client *clientv3.Client, members []Member) []MemberStatus {
	out := make([]MemberStatus, len(members))
	var wg sync.WaitGroup
	for i, m := range members {
		wg.Go(func() { out[i] = askStatus(ctx, client, m) })
	}
	wg.Wait()
	return out
}

func askStatus(ctx context.Context, client *clientv3.Client, m Member) MemberStatus {
	status := MemberStatus{Member: m}
	if len(m.ClientURLs) == 0 {
		status.Err = errors.New("has not started yet")
		return status
	}
	ctx, cancel := context.WithTimeout(ctx, statusLimit)
	defer cancel()
	reply, err := client.Status(ctx, m.ClientURLs[0])
	if err != nil {
		status.Err = err
		if errors.Is(err, context.DeadlineExceeded) {
			status.Err = fmt.Errorf("no answer within %v: %w", statusLimit, err)
		}
		return status
	}
	status.Leader, status.follows = reply.Leader == m.ID, reply.Leader
	status.Version, status.DBBytes, status.RaftIndex = reply.Version, reply.DbSize, reply.RaftIndex
	status.Alarms = reply.Errors
	return status
}

func fromProto(m *etcdserverpb.Member) Member {
	return Member{ID: m.ID, Name: m.Name, PeerURLs: m.PeerURLs, ClientURLs: m.ClientURLs, Learner: m.IsLearner}
}

func labels(members []Member) string {
	names := make([]string, 0, len(members))
	for _, m := range members {
		names = append(names, m.Label())
	}
	return strings.Join(names, ", ")
}

// explainChange adds the fix to the refusals that operators meet.
func explainChange(err error) error {
	switch {
	case errors.Is(err, rpctypes.ErrPeerURLExist), errors.Is(err, rpctypes.ErrMemberExist):
		return fmt.Errorf("%w (%w)", ErrAlreadyMember, err)
	case errors.Is(err, rpctypes.ErrUnhealthy), errors.Is(err, rpctypes.ErrMemberNotEnoughStarted):
		return fmt.Errorf("refused by the cluster, as too few of its members are connected to decide safely: %w; start the members that are down or remove a dead one, and try again 5 s later", err)
	case errors.Is(err, rpctypes.ErrTooManyLearners):
		return fmt.Errorf("refused by the cluster, as another member is still joining: %w; wait until it is ready, or remove it", err)
	case unanswered(err):
		return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	default:
		return err
	}
}

// unanswered reports whether the error comes from the way to the cluster, or
// from a member that gave up waiting, and not from a decision of the cluster.
func unanswered(err error) bool {
	var decided rpctypes.EtcdError
	return !errors.As(err, &decided) || errors.Is(err, rpctypes.ErrTimeout) ||
		errors.Is(err, rpctypes.ErrTimeoutDueToLeaderFail) || errors.Is(err, rpctypes.ErrTimeoutDueToConnectionLost)
}
