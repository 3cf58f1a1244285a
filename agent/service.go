package agent

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/internal/clone"
	"github.com/mmm-ha/mmm/internal/conffile"
	"github.com/mmm-ha/mmm/topology"
)

// ServiceConfig are the commands that stop and start mysqld, which the agent does
// not own. It asks for them only to put a copy in place of its data. Stopping
// means that it stays down, and that the command waits for it.
type ServiceConfig struct {
	Stop  []string `yaml:"stop"`
	Start []string `yaml:"start"`
}

// How long a server may take to stop, with all that it has in memory, and to
// answer after its start.
const (
	stopLimit  = 5 * time.Minute
	startLimit = 5 * time.Minute
	lookPause  = 100 * time.Millisecond
)

func defaultService() ServiceConfig {
	return ServiceConfig{Stop: []string{"systemctl", "--no-ask-password", "stop", "mariadb"}, Start: []string{"systemctl", "--no-ask-password", "start", "mariadb"}}
}

func (s ServiceConfig) check(m conffile.Mistakes) {
	if len(s.Stop) == 0 || len(s.Start) == 0 {
		m.Add("", "needs both `stop` and `start`, each a list of words, such as [systemctl, stop, mariadb]")
	}
}

// command runs one of the two.
func command(ctx context.Context, what string, words []string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s mysqld by `%s`: %w: %s", what, strings.Join(words, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// stopServer stops mysqld, and returns only when nobody uses the datadir any more.
func (a *Agent) stopServer(ctx context.Context, inc topology.Incarnation) error {
	if err := command(ctx, "stop", a.opt.Service.Stop, stopLimit); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	for {
		look, done := context.WithTimeout(ctx, probeLimit)
		p, _ := a.db.Observe(look) // it says what it knows with an error, too
		done()
		gone := p.Incarnation == "" && (inc == "" || !alive(inc))
		used, err := a.clones.dirs.InUse()
		if gone && err == nil && used == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("stop mysqld: it still runs%s: %w", used, errors.Join(err, ctx.Err()))
		case <-time.After(lookPause):
		}
	}
}

// startServer starts mysqld, if it does not run, and waits until it answers.
func (a *Agent) startServer(ctx context.Context) error {
	look, done := context.WithTimeout(ctx, probeLimit)
	p, err := a.db.Observe(look)
	done()
	if err == nil && p.Up {
		return nil
	}
	if err := command(ctx, "start", a.opt.Service.Start, startLimit); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		look, done := context.WithTimeout(ctx, probeLimit)
		p, err := a.db.Observe(look)
		done()
		if err == nil && p.Up {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("start mysqld: %w: %w (the copy has the accounts of the host that gave it: the agent's password must be the same there)", clone.ErrCannotReplace, err)
		case <-time.After(lookPause):
		}
	}
}
