package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
)

// echoPort is where the echo servers listen.
const echoPort = 7007

// peerConf is a keepalived that does nothing but move a VIP. Both start as
// BACKUP and nopreempt lets the VIP stay where it went, as a writer does.
const peerConf = `global_defs {
    router_id %[1]s
}
vrrp_instance bare {
    state BACKUP
    nopreempt
    interface eth0
    virtual_router_id 70
    priority %[2]d
    advert_int 1
    virtual_ipaddress {
        %[3]s/32 dev eth0
    }
}
`

// measurePeer kills the host that keepalived's VIP is on, again and again.
func measurePeer(ctx context.Context, o Options) (Row, error) {
	row := Row{Name: "keepalived", What: "keepalived: host of a bare VIP gone (no database)"}
	ctx, end := context.WithCancel(ctx)
	p := &peer{bed: o.Bed, echo: o.Echo}
	defer p.running.Wait()
	defer end()
	for _, h := range peerHosts {
		if err := p.start(ctx, h.Name); err != nil {
			return row, err
		}
	}
	dialer, err := o.Bed.Dialer(lab.ClientHost)
	if err != nil {
		return row, err
	}
	p.running.Go(func() { p.pulse.run(ctx, dialer, fmt.Sprintf("%s:%d", peerVIP, echoPort)) })
	for i := range o.PeerRuns {
		run, err := p.strikeOnce(ctx, phase(i))
		if err != nil {
			return row, err
		}
		o.Say(fmt.Sprintf("%-8s run %2d of %d: gap %-8s %s -> %s", row.Name, i+1, o.PeerRuns, run.Gap, run.From, run.To))
		row.Runs = append(row.Runs, run)
	}
	return row, nil
}

// peer is the pair of hosts with keepalived and the client that pings their VIP.
type peer struct {
	bed     *lab.Bed
	echo    []string
	pulse   pulse
	running sync.WaitGroup
}

// start runs keepalived and the echo server on a host. They end with ctx or the host.
func (p *peer) start(ctx context.Context, host string) error {
	priority := 90
	if host == peerHosts[0].Name {
		priority = 100
	}
	dir := p.bed.Dir(host)
	conf := filepath.Join(dir, "keepalived.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, peerConf, host, priority, peerVIP), 0o644); err != nil {
		return fmt.Errorf("start keepalived: %w", err)
	}
	log := p.log(host)
	if err := os.WriteFile(log, nil, 0o644); err != nil { // that of an earlier start says nothing of this one
		return fmt.Errorf("start keepalived: %w", err)
	}
	// Pid files of the host's last life name processes of this one.
	pid, vrrp := filepath.Join(dir, "keepalived.pid"), filepath.Join(dir, "vrrp.pid")
	for _, file := range []string{pid, vrrp} {
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("start keepalived: %w", err)
		}
	}
	keepalived := []string{"sh", "-c", `log=$1; shift; exec "$@" >>"$log" 2>&1`, "sh", log, "keepalived", "--dont-fork", "--log-console", "--log-detail",
		"--vrrp", "--use-file", conf, "--pid", pid, "--vrrp_pid", vrrp}
	for _, argv := range [][]string{keepalived, append(p.echo, strconv.Itoa(echoPort))} {
		p.running.Go(func() {
			// It ends by the fault or with the measurement; if it ends by itself
			// the client sees it.
			_, _ = p.bed.Exec(ctx, host, argv...)
		})
	}
	return p.await(ctx, "keepalived runs on "+host+", its log: "+log, func() bool {
		text, err := os.ReadFile(log)
		return err == nil && strings.Contains(string(text), "Entering BACKUP STATE")
	})
}

func (p *peer) log(host string) string { return p.bed.Log(host, "keepalived") }

// strikeOnce kills the host with the VIP, sees answers return, and starts it again.
func (p *peer) strikeOnce(ctx context.Context, phase time.Duration) (Strike, error) {
	from, err := p.steady(ctx)
	if err != nil {
		return Strike{}, err
	}
	if err := rest(ctx, phase); err != nil {
		return Strike{}, err
	}
	struck := time.Now()
	if err := p.bed.KillHost(ctx, from); err != nil {
		return Strike{}, err
	}
	dead := time.Now()
	if err := p.await(ctx, "the VIP of keepalived answers again", func() bool { return p.pulse.after(dead) > 0 }); err != nil {
		return Strike{}, err
	}
	if err := rest(ctx, trail); err != nil {
		return Strike{}, err
	}
	gap := p.pulse.gap(struck)
	to, err := p.holder(ctx)
	if err != nil {
		return Strike{}, err
	}
	if err := p.bed.StartHost(ctx, from); err != nil {
		return Strike{}, err
	}
	if err := p.start(ctx, from); err != nil {
		return Strike{}, err
	}
	return Strike{Gap: Millis(gap), From: from, To: to, At: struck.Format("15:04:05.000")}, nil
}

// steady waits until the VIP is on one host and answers, and adverts have flowed
// for longer than their interval; it returns that host.
func (p *peer) steady(ctx context.Context) (string, error) {
	const adverts = 2500 * time.Millisecond
	answers := int(adverts/every) / 2
	from := time.Now()
	if err := p.await(ctx, "the VIP of keepalived answers", func() bool {
		return time.Since(from) > adverts && p.pulse.after(time.Now().Add(-adverts)) > answers
	}); err != nil {
		return "", err
	}
	return p.holder(ctx)
}

// holder is the host whose interface carries keepalived's VIP.
func (p *peer) holder(ctx context.Context) (string, error) {
	status, err := p.bed.Status(ctx)
	if err != nil {
		return "", err
	}
	var on []string
	for _, h := range status.Hosts {
		if strings.Contains(strings.Join(h.Addresses, " ")+" ", peerVIP.String()+"/32 ") {
			on = append(on, h.Name)
		}
	}
	if len(on) != 1 {
		return "", fmt.Errorf("%s is on the interfaces of %v", peerVIP, on)
	}
	return on[0], nil
}

func (p *peer) await(ctx context.Context, what string, ok func() bool) error {
	for end := time.Now().Add(returns); time.Now().Before(end); {
		if ok() {
			return nil
		}
		if err := rest(ctx, every); err != nil {
			return err
		}
	}
	return fmt.Errorf("wait until %s: not within %v", what, returns)
}

// pulse is a client that sends a byte and wants it back, as load's client
// inserts: same interval, same time-out, a new connection after each miss.
type pulse struct {
	mu    sync.Mutex
	beats []time.Time // of the answers
}

func (p *pulse) run(ctx context.Context, dialer *lab.Dialer, address string) {
	var c conn
	defer func() { c.hangUp() }()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if c.beat(ctx, dialer, address) == nil {
			p.mu.Lock()
			p.beats = append(p.beats, time.Now())
			p.mu.Unlock()
		}
	}
}

// after counts the answers after a moment.
func (p *pulse) after(t time.Time) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for i := len(p.beats); i > 0 && p.beats[i-1].After(t); i-- {
		n++
	}
	return n
}

func (p *pulse) gap(from time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return longestGap(p.beats, from)
}

// conn is the one connection of a pulse; rw is nil when there is none.
type conn struct{ rw net.Conn }

// beat sends a byte and reads it back.
func (c *conn) beat(ctx context.Context, dialer *lab.Dialer, address string) error {
	deadline := time.Now().Add(timeout)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	if c.rw == nil {
		opened, err := impatient(dialer)(ctx, "tcp", address)
		if err != nil {
			return err
		}
		c.rw = opened
	}
	b := []byte{'!'}
	err := c.rw.SetDeadline(deadline)
	if err == nil {
		_, err = c.rw.Write(b)
	}
	if err == nil {
		_, err = io.ReadFull(c.rw, b)
	}
	if err != nil {
		c.hangUp()
		return errors.Join(errors.New("no echo"), err)
	}
	return nil
}

func (c *conn) hangUp() {
	if c.rw != nil {
		_ = c.rw.Close() // it was of no use any more
		c.rw = nil
	}
}
