package fence

import (
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nltest"
	"golang.org/x/sys/unix"
)

func hosts(texts ...string) []netip.Addr {
	var out []netip.Addr
	for _, s := range texts {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

// answering returns a Manager whose kernel answers every order with err, or with
// an error number.
func answering(err error, errno unix.Errno) *Manager {
	m := New(Options{Log: slog.New(slog.DiscardHandler)})
	m.line.open = func() (*nftables.Conn, *netlink.Conn, error) {
		conn, failed := nftables.New(nftables.WithTestDial(func(req []netlink.Message) ([]netlink.Message, error) {
			switch {
			case err != nil:
				return nil, err
			case len(req) == 0: // no further answer comes
				return nil, os.ErrDeadlineExceeded
			}
			return nltest.Error(int(errno), req)
		}))
		return conn, nil, failed
	}
	return m
}

func TestKernelThatCannotIsToldApartFromOneThatMayNot(t *testing.T) {
	tests := []struct {
		name  string
		err   error
		errno unix.Errno
		want  error
	}{
		{name: "no nftables", errno: unix.EOPNOTSUPP, want: ErrUnsupported},
		{name: "no netfilter sockets", err: unix.EPROTONOSUPPORT, want: ErrUnsupported},
		{name: "no reject rules", errno: unix.ENOENT, want: ErrUnsupported},
		{name: "no capability", errno: unix.EPERM, want: ErrForbidden},
		{name: "no answer", err: os.ErrDeadlineExceeded, want: ErrUnknownOutcome},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := answering(tt.err, tt.errno)
			if err := m.Install(t.Context()); !errors.Is(err, tt.want) {
				t.Errorf("Install = %v, want %v", err, tt.want)
			}
			if err := m.Reject(t.Context(), hosts("192.0.2.1"), 3309); !errors.Is(err, ErrNotInstalled) {
				t.Errorf("Reject = %v, want %v", err, ErrNotInstalled)
			}
			p := NewPort(Options{Log: m.log})
			p.line = m.line
			if err := p.Install(t.Context(), Layout{Port: 3306}); !errors.Is(err, tt.want) {
				t.Errorf("Install of the gate = %v, want %v", err, tt.want)
			}
			if err := p.Open(t.Context(), time.Minute); !errors.Is(err, ErrNotInstalled) {
				t.Errorf("Open = %v, want %v", err, ErrNotInstalled)
			}
		})
	}
}

func TestListsAreSortedAndWithoutRepeats(t *testing.T) {
	got, err := pairs(hosts("2001:db8::1", "192.0.2.9", "::ffff:192.0.2.9", "192.0.2.10"), 3309)
	want := []netip.AddrPort{
		netip.MustParseAddrPort("192.0.2.9:3309"),
		netip.MustParseAddrPort("192.0.2.10:3309"),
		netip.MustParseAddrPort("[2001:db8::1]:3309"),
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("pairs = %v, %v, want %v", got, err, want)
	}
	if key, want := encodePair(want[0]), []byte{192, 0, 2, 9, 0x0c, 0xed, 0, 0}; !slices.Equal(key, want) {
		t.Errorf("encodePair = %x, want %x", key, want)
	}
}

func TestWhatIsNoHostIsNotListed(t *testing.T) {
	for _, bad := range [][]netip.Addr{{{}}, hosts("0.0.0.0"), hosts("::"), hosts("fe80::1%eth0")} {
		if got, err := pairs(bad, 3309); err == nil {
			t.Errorf("pairs(%v) = %v, want an error", bad, got)
		}
	}
	if got, err := pairs(hosts("192.0.2.1"), 0); err == nil {
		t.Errorf("pairs with port 0 = %v, want an error", got)
	}
	if got, err := pairs(nil, 0); err != nil || got != nil {
		t.Errorf("pairs of nothing = %v, %v, want nothing", got, err)
	}
}

func TestGateThatIsNoneSaysSoAndDoesNothing(t *testing.T) {
	var g Gate = None{}
	if g.Kind() != "none" {
		t.Errorf("Kind = %q", g.Kind())
	}
	ctx := t.Context()
	if err := errors.Join(g.Open(ctx, 0), g.OpenForReaders(ctx), g.Extend(ctx, 0), g.Close(ctx),
		g.Keep(ctx, Layout{}), g.Serve(ctx, nil, 0), g.Unserve(ctx)); err != nil {
		t.Error(err)
	}
	if serving, err := g.Serving(ctx, netip.Addr{}); !serving || err != nil || g.State() != Absent {
		t.Errorf("serving %v, %v, state %q", serving, err, g.State())
	}
}
