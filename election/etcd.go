package election

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mmm-ha/mmm/topology"
)

// member is a Granter over a client that knows one member of etcd only.
type member struct{ client *clientv3.Client }

// Member makes a Granter of a client, whose only endpoint is one member of etcd.
// A client with several endpoints would hedge behind our back and spoil both the
// limit of one try and the choice of the member. The client stays the caller's.
func Member(client *clientv3.Client) Granter { return member{client} }

// Grant asks for a lease of ttl, in whole seconds.
func (m member) Grant(ctx context.Context, ttl time.Duration) (topology.LeaseID, time.Duration, error) {
	reply, err := m.client.Grant(ctx, int64(ttl/time.Second))
	if err != nil {
		return 0, 0, m.explain(err)
	}
	return topology.LeaseID(reply.ID), time.Duration(reply.TTL) * time.Second, nil
}

// KeepAliveOnce goes past the client's method of that name, which repeats the
// request without a pause for as long as the member refuses connections, and so
// burns a core just when etcd is down. Here one call is one request.
func (m member) KeepAliveOnce(ctx context.Context, id topology.LeaseID) (time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // frees the stream
	stream, err := etcdserverpb.NewLeaseClient(m.client.ActiveConnection()).LeaseKeepAlive(ctx)
	if err != nil {
		return 0, m.explain(err)
	}
	if err := stream.Send(&etcdserverpb.LeaseKeepAliveRequest{ID: int64(id)}); err != nil {
		return 0, m.explain(err)
	}
	reply, err := stream.Recv()
	if err != nil {
		return 0, m.explain(err)
	}
	if reply.ID != int64(id) {
		return 0, fmt.Errorf("asked for lease %x, was answered for %x", id, reply.ID)
	}
	if reply.TTL <= 0 { // how etcd says "not found" on this stream
		return 0, fmt.Errorf("ttl is %d: %w", reply.TTL, ErrGone)
	}
	return time.Duration(reply.TTL) * time.Second, nil
}

// Revoke ends the lease.
func (m member) Revoke(ctx context.Context, id topology.LeaseID) error {
	if _, err := m.client.Revoke(ctx, clientv3.LeaseID(id)); err != nil {
		return m.explain(err)
	}
	return nil
}

// explain turns etcd's "not found" into ErrGone. After a failed connection it
// asks for the next attempt at once: left alone, gRPC waits for up to two minutes
// before it notices that a member is back. Our own tries are paced, so this adds
// no storm.
func (m member) explain(err error) error {
	if status.Code(err) == codes.Unavailable {
		m.client.ActiveConnection().ResetConnectBackoff()
	}
	if errors.Is(rpctypes.Error(err), rpctypes.ErrLeaseNotFound) {
		return fmt.Errorf("%w: %w", err, ErrGone)
	}
	return err
}
