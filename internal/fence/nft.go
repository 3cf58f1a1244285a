package fence

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// kernelTimeout bounds every method of a Manager. The kernel takes about a
// millisecond for all of it, and longer only while others change large tables.
const kernelTimeout = 300 * time.Millisecond

// limit gives the socket the deadline of ctx.
func limit(ctx context.Context, c *netlink.Conn) error {
	if c == nil { // a test answers
		return nil
	}
	d, _ := ctx.Deadline() // the zero time, no deadline, if there is none
	return c.SetDeadline(d)
}

// explain turns what the kernel says to a batch into what the caller can act on.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: %w", ErrForbidden, err)
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, unix.ENOBUFS):
		return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	}
	return err
}

// Supported says whether the kernel has nftables at all, and changes nothing.
func Supported(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, kernelTimeout)
	defer cancel()
	k := newLine()
	defer k.hangUp()
	_, err := k.generation(ctx)
	return explain(err)
}

func askGeneration(ctx context.Context, c *netlink.Conn) (uint32, error) {
	if err := limit(ctx, c); err != nil {
		return 0, err
	}
	replies, err := c.Execute(netlink.Message{
		Header: netlink.Header{
			Type:  unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETGEN,
			Flags: netlink.Request,
		},
		Data: make([]byte, 4), // struct nfgenmsg: any family, version 0
	})
	if err != nil {
		return 0, err
	}
	for _, r := range replies {
		attrs, err := netlink.NewAttributeDecoder(r.Data[min(4, len(r.Data)):])
		if err != nil {
			return 0, err
		}
		attrs.ByteOrder = binary.BigEndian
		for attrs.Next() {
			if attrs.Type() == unix.NFTA_GEN_ID {
				return attrs.Uint32(), nil
			}
		}
	}
	return 0, errors.New("no number in the answer")
}

// matches reads the table and says whether it is whole and holds l. A table that
// cannot be read counts as broken: the library hides why, most times there is
// none, and what else it may be shows when it is replaced.
func (t *table) matches(c *nftables.Conn, l lists) bool {
	for _, chain := range []*nftables.Chain{t.in, t.out} {
		rules, err := c.GetRules(t.Table, chain)
		if err != nil || len(rules) != t.rulesOf(chain) {
			return false
		}
	}
	for _, s := range t.contents(l) {
		elements, err := c.GetSetElements(s.set)
		if err != nil {
			return false
		}
		var keys [][]byte
		for _, e := range elements {
			keys = append(keys, e.Key)
		}
		slices.SortFunc(keys, bytes.Compare)
		if !slices.EqualFunc(keys, s.keys, slices.Equal) {
			return false
		}
	}
	return true
}

// rulesOf counts the rules that a chain should have.
func (t *table) rulesOf(c *nftables.Chain) int {
	n := 0
	for _, r := range t.rules {
		if r.Chain == c {
			n++
		}
	}
	return n
}
