package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// suffix of the files of a history.
const suffix = ".jsonl"

// line is how a record stands in a file: exactly one member is set.
type line struct {
	Run     *Run     `json:"run,omitempty"`
	Op      *Op      `json:"op,omitempty"`
	Address *Address `json:"address,omitempty"`
	ARP     *ARP     `json:"arp,omitempty"`
	Stall   *Stall   `json:"stall,omitempty"`
	State   *State   `json:"state,omitempty"`
	Fault   *Fault   `json:"fault,omitempty"`
	Final   *Final   `json:"final,omitempty"`
	Rows    *Rows    `json:"rows,omitempty"`
	Commit  *Commit  `json:"commit,omitempty"`
}

// Recorder writes the records of one observer. It may be used by many
// goroutines; the first error is kept and told by Close.
type Recorder struct {
	mu   sync.Mutex
	file *os.File
	buf  *bufio.Writer
	out  *json.Encoder
	err  error
}

// NewRecorder makes the file of an observer in a directory.
func NewRecorder(dir, observer string) (*Recorder, error) {
	if observer == "" || strings.ContainsAny(observer, "/\x00") {
		return nil, fmt.Errorf("name observer %q: it names a file", observer)
	}
	f, err := os.Create(filepath.Join(dir, observer+suffix))
	if err != nil {
		return nil, fmt.Errorf("record history: %w", err)
	}
	buf := bufio.NewWriter(f)
	return &Recorder{file: f, buf: buf, out: json.NewEncoder(buf)}, nil
}

// Op records an operation.
func (r *Recorder) Op(o Op) { r.add(line{Op: &o}) }

// Address records a change of an address.
func (r *Recorder) Address(a Address) { r.add(line{Address: &a}) }

// ARP records a question for a VIP and its answers.
func (r *Recorder) ARP(a ARP) { r.add(line{ARP: &a}) }

// Stall records that the machine was too busy.
func (r *Recorder) Stall(s Stall) { r.add(line{Stall: &s}) }

// State records what stands in etcd.
func (r *Recorder) State(s State) { r.add(line{State: &s}) }

// Fault records a fault; of several records with one ID the last one counts.
func (r *Recorder) Fault(f Fault) { r.add(line{Fault: &f}) }

// Final records a server at the end.
func (r *Recorder) Final(f Final) { r.add(line{Final: &f}) }

// Rows records the rows of one client on one server.
func (r *Recorder) Rows(rows Rows) { r.add(line{Rows: &rows}) }

// Commit records a transaction of a binlog.
func (r *Recorder) Commit(c Commit) { r.add(line{Commit: &c}) }

// Run records the run as a whole; of several records the last one counts.
func (r *Recorder) Run(run Run) { r.add(line{Run: &run}) }

func (r *Recorder) add(l line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.out.Encode(l); err != nil && r.err == nil {
		r.err = fmt.Errorf("record history: %w", err)
	}
}

// Close writes out what waits and closes the file.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.err, r.buf.Flush(), r.file.Close())
}

// Load reads all files of a directory.
func Load(dir string) (*History, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		return nil, fmt.Errorf("load history: %w", err)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("load history: %s holds no file *%s", dir, suffix)
	}
	h := &History{}
	for _, name := range names {
		if err := h.load(name); err != nil {
			return nil, fmt.Errorf("load history: %s: %w", filepath.Base(name), err)
		}
	}
	return h, nil
}

func (h *History) load(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	for in := json.NewDecoder(bufio.NewReader(f)); ; {
		var l line
		if err := in.Decode(&l); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		h.take(l)
	}
}

func (h *History) take(l line) {
	switch {
	case l.Run != nil:
		h.Run = *l.Run
	case l.Op != nil:
		h.Ops = append(h.Ops, *l.Op)
	case l.Address != nil:
		h.Addresses = append(h.Addresses, *l.Address)
	case l.ARP != nil:
		h.ARPs = append(h.ARPs, *l.ARP)
	case l.Stall != nil:
		h.Stalls = append(h.Stalls, *l.Stall)
	case l.State != nil:
		h.States = append(h.States, *l.State)
	case l.Fault != nil:
		i := slices.IndexFunc(h.Faults, func(f Fault) bool { return f.ID == l.Fault.ID })
		if i < 0 {
			h.Faults = append(h.Faults, *l.Fault)
		} else {
			h.Faults[i] = *l.Fault
		}
	case l.Final != nil:
		h.Finals = append(h.Finals, *l.Final)
	case l.Rows != nil:
		h.Rows = append(h.Rows, *l.Rows)
	case l.Commit != nil:
		h.Commits = append(h.Commits, *l.Commit)
	}
}
