package toll

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/mmm-ha/mmm/router/wire"
)

// Load is what clients do, again and again.
type Load struct {
	Name string
	What string
	// Mixed says that it is one of those over which the goal for all is reckoned.
	Mixed bool

	prepare bool
	size    float64 // bytes of an answer that takes so long that a part of it counts, too; 0: only whole ones do
	// cycle does it once, and returns how many statements that were.
	cycle func(context.Context, *client, netip.AddrPort) (int, error)
}

// The loads.
var (
	PointSelect = Load{Name: "point-select", What: "SELECT c FROM small WHERE id=?, as text", Mixed: true, cycle: pointSelect}
	ReadOnly    = Load{Name: "read-only", What: "ten point selects; a hundred rows; their sum; a hundred rows in order; and distinct: all in autocommit", Mixed: true, cycle: readOnly}
	ReadWrite   = Load{Name: "read-write", What: "a transaction: BEGIN, four point selects, a hundred rows, two UPDATEs, DELETE, INSERT, COMMIT", Mixed: true, cycle: readWrite}
	Prepared    = Load{Name: "prepared", What: "the point select as COM_STMT_EXECUTE of one prepared statement", Mixed: true, prepare: true, cycle: prepared}
	BigResult   = Load{Name: "10-mb", What: "a result of a hundred rows of 100 kB", size: 100 * 100000, cycle: bigResult}
	Connect     = Load{Name: "connect", What: "connect, log in, one point select, disconnect", cycle: reconnect}
)

// Loads are all of them, in the order of the tables.
var Loads = []Load{PointSelect, ReadOnly, ReadWrite, Prepared, BigResult, Connect}

// pointText is the one statement of many loads.
const pointText = "SELECT c FROM small WHERE id="

func (c *client) point() error { return c.numbered(pointText, c.draw(rows), "") }

// numbered sends a statement with a number in it.
func (c *client) numbered(before string, n uint64, after string) error {
	c.begin(wire.ComQuery)
	c.out = append(c.out, before...)
	c.out = strconv.AppendUint(c.out, n, 10)
	c.out = append(c.out, after...)
	return c.roundTrip()
}

// hundred sends a statement about a hundred rows in a row.
func (c *client) hundred(before, after string) error {
	n := c.draw(rows - 100)
	c.begin(wire.ComQuery)
	c.out = append(c.out, before...)
	c.out = append(c.out, " FROM small WHERE id BETWEEN "...)
	c.out = strconv.AppendUint(c.out, n, 10)
	c.out = append(c.out, " AND "...)
	c.out = strconv.AppendUint(c.out, n+99, 10)
	c.out = append(c.out, after...)
	return c.roundTrip()
}

func pointSelect(_ context.Context, c *client, _ netip.AddrPort) (int, error) { return 1, c.point() }

// all does one step after the other, and returns how many there were.
func all(steps ...func() error) (int, error) {
	for i, step := range steps {
		if err := step(); err != nil {
			return i, err
		}
	}
	return len(steps), nil
}

func readOnly(_ context.Context, c *client, _ netip.AddrPort) (int, error) {
	return all(c.point, c.point, c.point, c.point, c.point, c.point, c.point, c.point, c.point, c.point,
		func() error { return c.hundred("SELECT c", "") },
		func() error { return c.hundred("SELECT SUM(k)", "") },
		func() error { return c.hundred("SELECT c", " ORDER BY c") },
		func() error { return c.hundred("SELECT DISTINCT c", " ORDER BY c") })
}

// ownRows is how many rows a client has for itself to write to: what is measured is
// the way to the server, not the waiting for locks.
const ownRows = rows / 64

func readWrite(_ context.Context, c *client, _ netip.AddrPort) (int, error) {
	id := c.place*ownRows + c.draw(ownRows-2)
	return all(func() error { return c.query("BEGIN") }, c.point, c.point, c.point, c.point,
		func() error { return c.hundred("SELECT c", "") },
		func() error { return c.numbered("UPDATE small SET k=k+1 WHERE id=", id, "") },
		func() error { return c.numbered("UPDATE small SET c='changed' WHERE id=", id+1, "") },
		func() error { return c.numbered("DELETE FROM small WHERE id=", id+2, "") },
		func() error { return c.numbered("INSERT INTO small (id, k, c) VALUES (", id+2, ", 7, 'new')") },
		func() error { return c.query("COMMIT") })
}

// prepareStatement prepares what prepared executes.
func (c *client) prepareStatement() error {
	c.begin(wire.ComStmtPrepare)
	c.out = append(c.out, pointText+"?"...)
	return c.roundTrip()
}

func prepared(_ context.Context, c *client, _ netip.AddrPort) (int, error) {
	const long = 8 // a parameter of eight bytes
	c.begin(wire.ComStmtExecute)
	c.out = binary.LittleEndian.AppendUint32(c.out, c.stmt)
	c.out = append(c.out, 0, 1, 0, 0, 0, 0, 1, long, 0) // no cursor, once, no NULL, types follow
	c.out = binary.LittleEndian.AppendUint64(c.out, c.draw(rows))
	return 1, c.roundTrip()
}

func bigResult(_ context.Context, c *client, _ netip.AddrPort) (int, error) {
	return 1, c.query("SELECT c FROM big")
}

func reconnect(ctx context.Context, _ *client, a netip.AddrPort) (int, error) {
	c, err := connect(ctx, a)
	if err != nil {
		return 0, err
	}
	defer c.close()
	return 1, c.point()
}

// Named are the loads of those names; all for none.
func Named(names []string) ([]Load, error) {
	var found []Load
	for _, name := range names {
		i := slices.IndexFunc(Loads, func(l Load) bool { return l.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no load %q", name)
		}
		found = append(found, Loads[i])
	}
	return found, nil
}
