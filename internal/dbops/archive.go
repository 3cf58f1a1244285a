package dbops

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/topology/gtid"
)

// ArchiveDir is where Archive puts transactions, inside the state directory.
const ArchiveDir = "rewound"

// Manifest says what an archive holds. It stands in manifest.json beside the
// transactions.
type Manifest struct {
	Host   string     `json:"host"`
	Source string     `json:"source"` // whose history is kept
	Epoch  int64      `json:"epoch"`  // of the reign that it was made under
	At     time.Time  `json:"at"`
	Fork   gtid.State `json:"fork"` // of the binlog before the first transaction
	GTIDs  []string   `json:"gtids"`
	Tables []string   `json:"tables"` // whose rows they change
	File   string     `json:"file"`   // the transactions as SQL: `mariadb < file` carries them out again
	SHA256 string     `json:"sha256"` // of that file
	Bytes  int64      `json:"bytes"`
}

const (
	archiveSQL  = "transactions.sql"
	archiveJSON = "manifest.json"
)

// Archive writes the transactions of a tail, as SQL with their GTIDs and with
// the rows in comments that a person can read, into a directory of its own below
// <state>/rewound, and returns its path. What it returns without an error is
// whole and on disk. Called again for the same tail it finds what is there.
func Archive(ctx context.Context, state string, t Tail, m Manifest) (_ string, err error) {
	if len(t.Transactions) == 0 {
		return "", fmt.Errorf("archive transactions: %w", ErrNoFork)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("archive %d transactions: %w", len(t.Transactions), err)
		}
	}()
	under := filepath.Join(state, ArchiveDir)
	if err := os.MkdirAll(under, 0o700); err != nil {
		return "", err
	}
	half, err := os.MkdirTemp(under, ".half-") // what a crash leaves of it is no archive: it has no manifest
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(half)) }()
	m.Fork, m.GTIDs, m.Tables, m.File = t.Fork, t.GTIDs(), t.Tables(), archiveSQL
	if m.SHA256, m.Bytes, err = decode(ctx, filepath.Join(half, archiveSQL), t); err != nil {
		return "", err
	}
	final := filepath.Join(under, fmt.Sprintf("%s_%s", m.GTIDs[0], m.SHA256[:12]))
	if exists(filepath.Join(final, archiveJSON)) {
		return final, nil
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return "", err
	}
	if err := writeSynced(filepath.Join(half, archiveJSON), append(text, '\n')); err != nil {
		return "", err
	}
	if err := errors.Join(syncDir(half), os.Rename(half, final)); err != nil {
		return "", err
	}
	return final, errors.Join(syncDir(under), syncDir(state))
}

// Archives lists what has been archived below a state directory, by path.
func Archives(state string) (map[string]Manifest, error) {
	paths, err := filepath.Glob(filepath.Join(state, ArchiveDir, "*", archiveJSON))
	if err != nil {
		return nil, err
	}
	out := map[string]Manifest{}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		var m Manifest
		if err == nil {
			err = json.Unmarshal(raw, &m)
		}
		if err != nil {
			return nil, fmt.Errorf("read the archive %s: %w", path, err)
		}
		out[filepath.Dir(path)] = m
	}
	return out, nil
}

// decode writes the tail as SQL, synced, and returns its checksum and length.
func decode(ctx context.Context, path string, t Tail) (sum string, n int64, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := &summed{to: f, sum: sha256.New()}
	args := append([]string{"-vv", "--start-position=" + strconv.FormatInt(t.Transactions[0].Start, 10)}, t.Files()...)
	if err := mariadbBinlog(ctx, args, w); err != nil {
		return "", 0, err
	}
	return hex.EncodeToString(w.sum.Sum(nil)), w.n, f.Sync()
}

// summed counts and sums what is written through it.
type summed struct {
	to  io.Writer
	sum hash.Hash
	n   int64
}

func (w *summed) Write(p []byte) (int, error) {
	n, err := w.to.Write(p)
	w.n += int64(n)
	w.sum.Write(p[:n])
	return n, err
}

// mariadbBinlog runs the tool that decodes binlogs.
func mariadbBinlog(ctx context.Context, args []string, to io.Writer) error {
	tool, err := exec.LookPath("mariadb-binlog")
	if err != nil {
		return fmt.Errorf("decode binlogs: %w; install the package mariadb-client", err)
	}
	var complaint strings.Builder
	cmd := exec.CommandContext(ctx, tool, append([]string{"--no-defaults"}, args...)...)
	cmd.Stdout, cmd.Stderr = to, &complaint
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run mariadb-binlog: %w: %s", err, lastLine(complaint.String()))
	}
	return nil
}

func writeSynced(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}
