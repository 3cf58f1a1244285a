package toll

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Calls is what a proxy asks of the kernel, and of its own memory, for one point
// select of eight clients.
type Calls struct {
	Read   float64 `json:"read"`  // read(2), recvfrom(2), readv(2), recvmsg(2)
	Write  float64 `json:"write"` // write(2), sendto(2), writev(2), sendmsg(2)
	All    float64 `json:"all"`
	Wasted float64 `json:"wasted"` // reads that found nothing
	// Allocations of mmmrouter, which alone tells; below 0: it does not.
	Allocations float64 `json:"allocations"`
	User        float64 `json:"userMicros"` // CPU time in user mode of one query, over all rounds
}

// The tracepoints. They cost the traced process little, so that what it does under
// eight clients is what it does without them; strace would slow it to a crawl, and a
// slow proxy finds more work at each look.
const (
	anyCall  = "raw_syscalls:sys_enter"
	tracefs  = "/sys/kernel/tracing"
	perEvent = "syscalls:sys_enter_"
)

var (
	readCalls  = []string{"read", "recvfrom", "readv", "recvmsg"}
	writeCalls = []string{"write", "sendto", "writev", "sendmsg"}
	// returns of the reads, of which those with EAGAIN were in vain.
	readReturns = []string{"syscalls:sys_exit_read", "syscalls:sys_exit_recvfrom"}
)

// cannotCount says why system calls cannot be counted here; empty: they can.
func cannotCount(ctx context.Context) string {
	if _, err := exec.LookPath("perf"); err != nil {
		return "perf is not installed (package linux-perf)"
	}
	if _, err := os.Stat(tracefs + "/events"); err != nil {
		if out, err := exec.CommandContext(ctx, "mount", "-t", "tracefs", "tracefs", tracefs).CombinedOutput(); err != nil {
			return fmt.Sprintf("there are no tracepoints: %s", bytes.TrimSpace(out))
		}
	}
	return ""
}

// counted is how many point selects each of eight clients makes while system calls
// or allocations are counted: what the proxy does besides is little beside them.
const counted = 10000

// selects makes a number of point selects with every client of a crowd.
func (c *crowd) selects(n int) error {
	errs := make([]error, len(c.clients))
	var all sync.WaitGroup
	for i, one := range c.clients {
		all.Go(func() {
			for range n {
				if errs[i] = one.point(); errs[i] != nil {
					return
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// countCalls lets eight clients select and counts the system calls of the proxy.
func countCalls(ctx context.Context, t *target) (Calls, error) {
	calls := Calls{Allocations: -1}
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	c, err := gather(ctx, PointSelect, t, 8)
	if err != nil {
		return calls, err
	}
	defer c.part()
	events, err := perf(ctx, t.proxy.pid, func() error { return c.selects(counted) })
	if err != nil {
		return calls, fmt.Errorf("count system calls of %s: %w", t.name, err)
	}
	const n = 8 * counted
	for name, value := range events {
		switch {
		case name == anyCall:
			calls.All = value / n
		case is(name, readCalls):
			calls.Read += value / n
		case is(name, writeCalls):
			calls.Write += value / n
		default:
			calls.Wasted += value / n
		}
	}
	return calls, nil
}

func is(event string, calls []string) bool {
	for _, c := range calls {
		if event == perEvent+c {
			return true
		}
	}
	return false
}

// attaches is how long perf may take until it counts.
const attaches = 500 * time.Millisecond

// perf counts events of a process while work is done.
func perf(ctx context.Context, pid int, work func() error) (map[string]float64, error) {
	argv := []string{"stat", "-x", ",", "-p", strconv.Itoa(pid), "-e", anyCall}
	for _, call := range append(append([]string{}, readCalls...), writeCalls...) {
		argv = append(argv, "-e", perEvent+call)
	}
	for _, event := range readReturns {
		argv = append(argv, "-e", event, "--filter", "ret==-11") // EAGAIN
	}
	cmd := exec.CommandContext(ctx, "perf", argv...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("perf: %w", err)
	}
	time.Sleep(attaches)
	err := work()
	_ = cmd.Process.Signal(os.Interrupt) // it prints, and ends
	_ = cmd.Wait()                       // by that signal, and says so
	if err != nil {
		return nil, err
	}
	events := map[string]float64{}
	for line := range strings.Lines(out.String()) {
		fields := strings.Split(line, ",")
		if len(fields) < 3 {
			continue
		}
		if value, err := strconv.ParseFloat(fields[0], 64); err == nil {
			events[fields[2]] = value
		}
	}
	if events[anyCall] == 0 {
		return nil, fmt.Errorf("perf has counted nothing: %s", bytes.TrimSpace(out.Bytes()))
	}
	return events, nil
}

// mallocs is how often mmmrouter has allocated since it began.
func mallocs(ctx context.Context, admin string) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "go_memstats_mallocs_total "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, errors.New("the metrics do not tell how often was allocated")
}

// countAllocations is how often mmmrouter allocates for a point select: what it
// allocates in a time of work, without what it does in an idle time as long, for it
// follows etcd beside, and answers us.
func countAllocations(ctx context.Context, t *target) (float64, error) {
	during := func(work func() error) (float64, error) {
		before, err := mallocs(ctx, t.admin)
		if err == nil {
			err = work()
		}
		if err != nil {
			return 0, err
		}
		after, err := mallocs(ctx, t.admin)
		return after - before, err
	}
	c, err := gather(ctx, PointSelect, t, 8)
	if err != nil {
		return 0, err
	}
	defer c.part()
	var took time.Duration
	busy, err := during(func() error {
		began := time.Now()
		defer func() { took = time.Since(began) }()
		return c.selects(counted)
	})
	if err != nil {
		return 0, err
	}
	idle, err := during(func() error { time.Sleep(took); return nil })
	return max(0, busy-idle) / (8 * counted), err
}
