package dbops

import (
	"context"
	"fmt"

	"github.com/mmm-ha/mmm/topology/gtid"
)

// WaitForNobody lets a source commit without an acknowledgement; whoever waits is
// released. It is for a writer that nobody can acknowledge to, once etcd says so
// (R24), and must never be used to get something else done: what commits by it is
// on this host alone.
func (s *Server) WaitForNobody(ctx context.Context) error {
	const do = "wait for nobody"
	ctx, cancel, d, err := s.begin(ctx, s.work)
	if err != nil {
		return err
	}
	defer cancel()
	if err := s.exec(ctx, s.work, do, d.semiSourceOff); err != nil {
		return err
	}
	f, err := s.readFacts(ctx, d, s.work)
	if err == nil && f.semiSource {
		err = fmt.Errorf("%s: %w", do, ErrUnverified)
	}
	if err == nil {
		s.log.Warn("commits wait for nobody", "gtid", f.position.String())
	}
	return err
}

// WaitAgain makes commits wait for acknowledgements again, and then reads the
// position: whoever has it has all that was committed alone (R22).
func (s *Server) WaitAgain(ctx context.Context) (gtid.Set, error) {
	const do = "wait for acknowledgements again"
	ctx, cancel, d, err := s.begin(ctx, s.work)
	if err != nil {
		return gtid.Set{}, err
	}
	defer cancel()
	for _, statement := range d.sourceSettings {
		if err := s.exec(ctx, s.work, do, statement); err != nil {
			return gtid.Set{}, err
		}
	}
	f, err := s.readFacts(ctx, d, s.work)
	if err == nil && !f.semiSource {
		err = fmt.Errorf("%s: %w", do, ErrUnverified)
	}
	return f.position, err
}
