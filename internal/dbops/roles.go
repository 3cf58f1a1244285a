package dbops

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/mmm-ha/mmm/topology/gtid"
)

// Source is where a replica connects to.
type Source struct {
	Address netip.Addr
	Port    uint16
}

// String is address:port, as Observe reports it.
func (s Source) String() string {
	return net.JoinHostPort(s.Address.String(), strconv.Itoa(int(s.Port)))
}

// BecomeSource makes a replica a source: it replicates no longer, and every
// commit waits, without limit, for the acknowledgement of a replica, before
// anybody can see it (R36). It refuses (ErrUnapplied) while the relay log holds
// anything; the SQL thread is left running then. read_only is not touched. It
// may be called again; a server that is a source already stays one.
func (s *Server) BecomeSource(ctx context.Context) error {
	const do = "become a source"
	ctx, cancel, d, err := s.begin(ctx, s.work)
	if err != nil {
		return err
	}
	defer cancel()
	if err := s.detach(ctx, d, do); err != nil {
		return err
	}
	f, err := s.readFacts(ctx, d, s.work)
	if err != nil {
		return err
	}
	if f.channel.configured {
		if err := s.exec(ctx, s.work, do, d.resetAll); err != nil {
			return err
		}
	}
	for _, statement := range d.sourceSettings {
		if err := s.exec(ctx, s.work, do, statement); err != nil {
			return err
		}
	}
	f, err = s.readFacts(ctx, d, s.work)
	if err != nil {
		return err
	}
	if f.channel.configured || !f.semiSource || f.semiReplica {
		return fmt.Errorf("%s: %w: replicates %t, waits for acknowledgements %t, acknowledges %t",
			do, ErrUnverified, f.channel.configured, f.semiSource, f.semiReplica)
	}
	s.log.Info("became a source", "gtid", f.position.String())
	return nil
}

// LeaveSource lets commits finish without an acknowledgement again, on a server
// that is no longer writer. It refuses on a writable server (ErrWritable) and
// while anybody waits (ErrWaiting): they would be told that their write is safe (R12).
func (s *Server) LeaveSource(ctx context.Context) error {
	const do = "leave the role of source"
	ctx, cancel, d, err := s.begin(ctx, s.work)
	if err != nil {
		return err
	}
	defer cancel()
	f, err := s.readFacts(ctx, d, s.work)
	if err != nil || !f.semiSource {
		return err
	}
	if !f.readOnly {
		return fmt.Errorf("%s: %w", do, ErrWritable)
	}
	n, err := s.waiters(ctx, d, s.work)
	if err != nil {
		return err
	}
	if n > 0 {
		return fmt.Errorf("%s: %w: %d sessions", do, ErrWaiting, n)
	}
	if err := s.exec(ctx, s.work, do, d.semiSourceOff); err != nil {
		return err
	}
	if f, err = s.readFacts(ctx, d, s.work); err == nil && f.semiSource {
		err = fmt.Errorf("%s: %w", do, ErrUnverified)
	}
	return err
}

// Follow makes this server replicate from the source. Nothing is re-pointed that
// points there already; a stopped thread is started if that is safe. Otherwise it
// refuses while the server is writable (ErrWritable, R47) and while the relay log
// holds anything (ErrUnapplied, R40), stops replication, and starts anew from
// what this server has: an ex-writer takes up where its own binlog ends.
//
// Notes of replication that the server cannot read any more are dropped first.
//
// nil means that the threads were told to run, not that the source was reached:
// Observe shows an error that the IO thread meets later, such as 1236 (diverged).
func (s *Server) Follow(ctx context.Context, source Source) error {
	do := "follow " + source.String()
	ctx, cancel, d, err := s.begin(ctx, s.work)
	if err != nil {
		return err
	}
	defer cancel()
	change, err := s.changeSource(d, source)
	if err != nil {
		return fmt.Errorf("%s: %w", do, err)
	}
	err = s.follow(ctx, d, do, source, change)
	if !errors.Is(err, ErrTorn) {
		return err
	}
	if err := s.dropTorn(ctx, d, do, err); err != nil {
		return err
	}
	return s.follow(ctx, d, do, source, change)
}

func (s *Server) follow(ctx context.Context, d *dialect, do string, source Source, change string) error {
	f, err := s.readFacts(ctx, d, s.work)
	if err != nil {
		return err
	}
	if c := f.channel; c.configured && c.usingGTID && c.source == source.String() {
		return s.resume(ctx, d, do, f)
	}
	if !f.readOnly {
		return fmt.Errorf("%s: %w", do, ErrWritable)
	}
	if err := s.detach(ctx, d, do); err != nil {
		return err
	}
	if err := s.catchUpApplied(ctx, d, do); err != nil {
		return err
	}
	for _, statement := range []string{d.tuneReplica, change, d.startAll} {
		if err := s.exec(ctx, s.work, do, statement); err != nil {
			return err
		}
	}
	f, err = s.readFacts(ctx, d, s.work)
	if err != nil {
		return err
	}
	if f.channel.source != source.String() || !f.channel.usingGTID {
		return fmt.Errorf("%s: %w: it points to %q", do, ErrUnverified, f.channel.source)
	}
	s.log.Info("follows a source", "source", source.String(), "gtid", f.done().String())
	return nil
}

// changeSource builds the one statement that takes no parameters.
func (s *Server) changeSource(d *dialect, source Source) (string, error) {
	if !source.Address.IsValid() || source.Address.Zone() != "" || source.Port == 0 {
		return "", fmt.Errorf("%q is no address and port", source)
	}
	host, err1 := quote(source.Address.Unmap().String())
	user, err2 := quote(s.opt.ReplicationUser)
	password, err3 := quote(s.opt.ReplicationPassword)
	if err := errors.Join(err1, err2, err3); err != nil {
		return "", err
	}
	return fmt.Sprintf(d.followFormat, host, source.Port, user, password), nil
}

// resume starts what is stopped of a channel that points to the right source.
func (s *Server) resume(ctx context.Context, d *dialect, do string, f facts) error {
	c := f.channel
	switch {
	case !c.idle() && c.sql:
		return nil
	case c.idle() && !c.sql && f.unapplied():
		return f.refuse(do)
	}
	// A restart of the server has forgotten the tuning.
	for _, statement := range []string{d.tuneReplica, d.startAll} {
		if err := s.exec(ctx, s.work, do, statement); err != nil {
			return err
		}
	}
	return s.kept(ctx, d, do, f)
}

// detach stops replication without losing anything: the IO thread first, then,
// when all it received is applied, the SQL thread. It asks before it stops
// anything, and once more afterwards, for more may have arrived meanwhile.
func (s *Server) detach(ctx context.Context, d *dialect, do string) error {
	f, err := s.readFacts(ctx, d, s.work)
	if err != nil || !f.channel.configured {
		return err
	}
	if f.unapplied() {
		return f.refuse(do)
	}
	if err := s.stopIO(ctx, d); err != nil {
		return err
	}
	if f, err = s.readFacts(ctx, d, s.work); err != nil {
		return err
	}
	if f.unapplied() {
		if err := s.WaitApplied(ctx, f.got()); err != nil {
			return fmt.Errorf("%s: %w: %w", do, ErrUnapplied, err)
		}
	}
	return s.exec(ctx, s.work, do, d.stopAll)
}

// catchUpApplied tells replication where to start. What the server wrote itself
// as a writer is not in gtid_slave_pos; from the old value the new source would
// send it again, and strict mode would stop there.
func (s *Server) catchUpApplied(ctx context.Context, d *dialect, do string) error {
	f, err := s.readFacts(ctx, d, s.work)
	if err != nil || f.applied.Contains(f.position) {
		return err
	}
	return s.setApplied(ctx, d, do, f.done())
}

func (s *Server) setApplied(ctx context.Context, d *dialect, do string, to gtid.Set) error {
	text, err := quote(to.String())
	if err != nil {
		return fmt.Errorf("%s: %w", do, err)
	}
	return s.exec(ctx, s.work, do, fmt.Sprintf(d.setAppliedFormat, text))
}
