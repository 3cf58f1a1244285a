package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"syscall"
	"time"

	"log/slog"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/internal/clone"
	"github.com/mmm-ha/mmm/internal/conffile"
	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/topology"
)

// releaseLimit is how long the ackers may take to receive the last write.
const releaseLimit = 10 * time.Second

// Release gives back what this host holds, so that others take over at once: a
// writer closes, waits until an acker has everything, writes down where it
// stopped (R60) and deletes its key; then the lease ends, and with it the rest.
// After an error the agent goes on.
func (a *Agent) Release(ctx context.Context) error {
	done := make(chan error, 1)
	select {
	case a.releasing <- done:
	default:
		return errors.New("the roles are being given back already")
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// release is Release inside the loop. Nothing else is decided meanwhile.
func (a *Agent) release(ctx context.Context, s *state) error {
	s.cutShort()
	for len(s.Busy()) > 0 {
		a.finish(s, <-a.in.outcomes)
	}
	ctx, cancel := context.WithTimeout(ctx, releaseLimit)
	defer cancel()
	if err := a.giveUp(ctx, s); err != nil {
		return err
	}
	if s.Term.Epoch != 0 {
		if err := a.closeReign(ctx, s); err != nil {
			return err
		}
	}
	if s.session != nil {
		if err := s.session.Revoke(ctx); err != nil {
			return fmt.Errorf("give the lease back: %w", err)
		}
	}
	a.log.Info("gave everything back")
	return nil
}

// giveUp closes what this host serves; a replica's mysqld is left alone.
func (a *Agent) giveUp(ctx context.Context, s *state) error {
	if s.Term.Epoch == 0 && replicaOnly(s.Probe) {
		return a.withdraw(ctx)
	}
	return a.shut(ctx, s.Probe, patience)
}

// closeReign ends a reign cleanly: everything is on an acker, and etcd knows
// where it ended.
func (a *Agent) closeReign(ctx context.Context, s *state) error {
	epoch := s.Term.Epoch
	pos, err := a.restingPosition(ctx)
	if err == nil && s.Cluster.Reign.Value.Epoch == epoch {
		reign := s.Cluster.Reign.Value
		if err = a.onAnAcker(ctx, reign); err == nil {
			reign.Closed = &pos
			_, err = a.store.PutReign(ctx, epoch, s.Cluster.Reign.Rev, reign)
		}
	}
	if err != nil {
		a.log.Warn("the reign does not end cleanly; the next election needs the bids of the ackers", "err", err)
	}
	step.Over(epoch)(s.State)
	s.live(a.life, "given back") //nolint:contextcheck // a term outlives this call
	a.remembered.forgetReign()
	if _, err := a.store.DropWriter(ctx, epoch); err != nil {
		return fmt.Errorf("give the writer key back: %w", err)
	}
	return nil
}

// onAnAcker waits until an acker has received everything that is in the binlog.
func (a *Agent) onAnAcker(ctx context.Context, reign topology.Reign) error {
	p, err := a.db.Observe(ctx)
	if err != nil {
		return err
	}
	for {
		a.watchdog() // the loop is here
		c, err := a.store.Load(ctx)
		if err != nil {
			return err
		}
		for id, inc := range reign.Ackers {
			if r, live := c.Hosts[id]; live && r.Value.Incarnation == inc && r.Value.Received.Contains(p.Position) {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no acker has received %s: %w", p.Position, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Preflight checks what New checks, and changes nothing. It works beside a
// running agent.
func Preflight(ctx context.Context, cfg Config, log *slog.Logger) error {
	a, err := open(ctx, cfg, log, true)
	if err != nil {
		return err
	}
	a.advise(ctx)
	return a.close()
}

// advise says what the agent could do without, for a while.
func (a *Agent) advise(ctx context.Context) {
	if a.beside() {
		if p := a.prober.look(ctx); !p.Up {
			a.log.Warn("mmmrouter does not answer; this host gets no VIP before it does", "why", p.Why)
		}
	}
	if err := a.client.Silent(ctx); err != nil {
		a.log.Warn("not every etcd member answers", "err", err)
	}
	if a.beside() {
		return
	}
	if err := a.mayClone(ctx, clone.Dirs{Data: a.opt.MySQL.Datadir, State: a.opt.State}); err != nil {
		a.log.Warn("this host can neither give nor take a copy of another one's data", "err", err)
	}
}

// Grants are the statements that make the two accounts of this configuration.
// They hold the passwords of its files.
func Grants(cfg Config) ([]string, error) {
	pw, err := conffile.Password("mysql.passwordFile", cfg.MySQL.PasswordFile)
	if err != nil {
		return nil, err
	}
	repl, err := conffile.Password("mysql.replicationPasswordFile", cfg.MySQL.ReplicationPasswordFile)
	if err != nil {
		return nil, err
	}
	return dbops.Options{User: cfg.MySQL.User, Password: pw,
		ReplicationUser: cfg.MySQL.ReplicationUser, ReplicationPassword: repl}.GrantStatements()
}

// Running is the process number of the agent that runs with this configuration.
func Running(cfg Config) (int, error) {
	text, err := os.ReadFile(cfg.Pidfile())
	if err != nil {
		return 0, fmt.Errorf("no agent runs here: %w", err)
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(text)))
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", cfg.Pidfile(), err)
	}
	if syscall.Kill(pid, 0) != nil {
		return 0, fmt.Errorf("no agent runs here: process %d of %s is gone", pid, cfg.Pidfile())
	}
	return pid, nil
}

// Equal reports whether two files say the same.
func (c Config) Equal(o Config) bool { return reflect.DeepEqual(c, o) }
