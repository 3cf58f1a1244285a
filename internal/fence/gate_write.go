package fence

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// rebuild replaces both tables in one step. What is open for a time stays so
// until its deadline; what is open without end closes.
func (p *Port) rebuild(ctx context.Context) error {
	if p.open == forever {
		p.open = 0
	}
	err := p.commit(ctx, p.build)
	if errors.Is(err, unix.EOPNOTSUPP) && !p.noEarly {
		p.noEarly = true
		err = p.commit(ctx, p.build)
	}
	if errors.Is(err, unix.ENOENT) { // one of the rules' words is not compiled in
		err = fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	p.generation = 0
	if err != nil {
		p.open = 0
	}
	p.publish()
	return err
}

// build orders both tables with all that they hold.
func (p *Port) build(c *nftables.Conn, t *gateTables) error {
	for _, table := range []*nftables.Table{t.inet, t.arp} {
		c.AddTable(table) // so that there is one to delete
		c.DelTable(table)
		c.AddTable(table)
	}
	for _, chain := range t.chains {
		c.AddChain(chain)
	}
	for _, f := range t.contents(p.layout) {
		if err := c.AddSet(f.set, f.elements()); err != nil {
			return fmt.Errorf("encode set %s: %w", f.set.Name, err)
		}
	}
	now := p.clock()
	alive := func(all []element) []nftables.SetElement {
		return encode(slices.DeleteFunc(all, func(e element) bool { return e.until-now < shortest }), now)
	}
	if err := c.AddSet(t.open, alive([]element{{portKey(p.layout.Port), p.open}})); err != nil {
		return fmt.Errorf("encode set %s: %w", t.open.Name, err)
	}
	for _, s := range t.servedSets() {
		if err := c.AddSet(s.set, alive(s.elements(p.served, p.servedUntil))); err != nil {
			return fmt.Errorf("encode set %s: %w", s.set.Name, err)
		}
	}
	for i, s := range t.byProto {
		if err := c.AddSet(s.left, p.refused(protocols[i])); err != nil {
			return fmt.Errorf("encode set %s: %w", s.left.Name, err)
		}
	}
	for _, r := range t.rules {
		c.AddRule(r)
	}
	return nil
}

// commit sends one batch, which takes effect as a whole or not at all. If nobody
// else has changed anything meanwhile, the rules are still known.
func (p *Port) commit(ctx context.Context, orders func(*nftables.Conn, *gateTables) error) error {
	c, err := p.line.dial(ctx)
	if err != nil {
		return err
	}
	if err := orders(c, p.tables()); err != nil {
		return err
	}
	before := p.generation
	p.generation = 0
	if err := p.line.flush(c); err != nil {
		return err
	}
	if now, err := p.line.generation(ctx); err == nil && before != 0 && now == before+1 {
		p.generation = now
	}
	return nil
}

// tables describes the gate as this kernel takes it.
func (p *Port) tables() *gateTables {
	t := newGateTables()
	if p.noEarly {
		t.withoutEarly()
	}
	return t
}

func (p *Port) publish() { p.published.Store(int64(p.open)) }

// RemoveGate deletes the gate's tables, if there are any: the client port is
// open to everybody afterwards. It is for uninstallation; an agent that runs
// would put them back.
func RemoveGate(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, kernelTimeout)
	defer cancel()
	k := newLine()
	defer k.hangUp()
	c, err := k.dial(ctx)
	if err != nil {
		return fmt.Errorf("remove the gate of the client port: %w", err)
	}
	t := newGateTables()
	for _, table := range []*nftables.Table{t.inet, t.arp} {
		c.AddTable(table) // so that there is one to delete
		c.DelTable(table)
	}
	if err := k.flush(c); err != nil {
		return fmt.Errorf("remove the gate of the client port: %w", err)
	}
	return nil
}
