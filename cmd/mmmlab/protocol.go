package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/mmm-ha/mmm/chaos/lab"
)

// order is the one line that a command sends to the holder.
type order struct {
	Verb    string   `json:"verb"`
	Args    []string `json:"args,omitempty"`
	Restart bool     `json:"restart,omitempty"`
	OneWay  bool     `json:"oneWay,omitempty"`
}

// reply is one of the lines that come back; the one with Done is the last.
type reply struct {
	Progress string      `json:"progress,omitempty"`
	Done     bool        `json:"done,omitempty"`
	Error    string      `json:"error,omitempty"`
	Status   *lab.Status `json:"status,omitempty"`
}

// errNoBed says that no holder listens in the work directory.
var errNoBed = errors.New("no bed runs there; mmmlab up makes one")

func socketPath(work string) string { return filepath.Join(work, "control.sock") }

// ask sends an order to the holder of a work directory and returns its last
// reply. Closing the connection, by ending ctx, makes the holder give up.
func ask(ctx context.Context, work string, o order, progress func(string)) (reply, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", socketPath(work))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return reply{}, fmt.Errorf("%s: %w", work, errNoBed)
	}
	if err != nil {
		return reply{}, fmt.Errorf("reach holder: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if err := json.NewEncoder(conn).Encode(o); err != nil {
		return reply{}, fmt.Errorf("ask holder: %w", err)
	}
	for in := json.NewDecoder(conn); ; {
		var r reply
		err := in.Decode(&r)
		switch {
		case ctx.Err() != nil:
			return reply{}, ctx.Err()
		case errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET):
			return reply{}, fmt.Errorf("%s: the holder ended before it answered (its log: %s)", o.Verb, holderLog(work))
		case err != nil:
			return reply{}, fmt.Errorf("await answer of holder: %w", err)
		case r.Error != "":
			return r, errors.New(r.Error)
		case r.Done:
			return r, nil
		}
		if progress != nil {
			progress(r.Progress)
		}
	}
}
