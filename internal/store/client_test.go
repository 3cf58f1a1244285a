package store

import (
	"crypto/x509"
	"errors"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mmm-ha/mmm/internal/certs"
)

// Seen: gRPC had begun the next connection when a call told of the last one, and an
// operator was shown gRPC's words around the sentence.
func TestCauseOfAConnectionIsTheCallsOwnThoughTheNextHasBegun(t *testing.T) {
	var keys certs.Certs
	cause := keys.Explain(x509.UnknownAuthorityError{})
	of := func(text string) error {
		return status.Error(codes.Unavailable, `connection error: desc = "transport: authentication handshake failed: `+text+`"`)
	}
	m := &member{}
	m.tell(cause)
	m.tell(nil)
	if err := m.explain(of(cause.Error())); !errors.As(err, new(*certs.Explained)) || err.Error() != cause.Error() {
		t.Errorf("it says %q, want %q", err, cause)
	}
	if err := m.explain(of("connection refused")); errors.As(err, new(*certs.Explained)) {
		t.Errorf("another cause is taken for the last one: %q", err)
	}
}
