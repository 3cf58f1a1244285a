package election

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mmm-ha/mmm/topology"
)

// runtimeFile lies in the runtime directory, which a reboot empties.
const runtimeFile = "session.json"

// bootIDFile is where the kernel says which boot this is.
const bootIDFile = "/proc/sys/kernel/random/boot_id"

// Runtime is what an agent leaves to the next one on the same host, so that it
// may go on with its lease and its reign (R5). It is a claim to be checked, never
// a right.
type Runtime struct {
	ID          topology.HostID      `json:"id"` // of the host that the lease is of: a new datadir is another host
	Lease       topology.LeaseID     `json:"lease"`
	Epoch       topology.Rev         `json:"epoch,omitempty"` // of the reign; 0: not writer
	Incarnation topology.Incarnation `json:"incarnation,omitempty"`
	Agent       string               `json:"agent"` // token of the process, as in the writer key
}

type runtimeRecord struct {
	Version int    `json:"v"`
	Boot    string `json:"boot"`
	Runtime
}

// SaveRuntime puts the record into the runtime directory dir, with the id of the
// present boot. Only the process that holds the datadir's lock may call it, one
// call at a time.
func SaveRuntime(dir string, r Runtime) error {
	boot, err := bootID()
	if err != nil {
		return fmt.Errorf("save the runtime record: %w", err)
	}
	data, err := json.Marshal(runtimeRecord{Version: recordVersion, Boot: boot, Runtime: r})
	if err != nil {
		return fmt.Errorf("save the runtime record: %w", err)
	}
	if err := replacePlain(filepath.Join(dir, runtimeFile), append(data, '\n')); err != nil {
		return fmt.Errorf("save the runtime record: %w", err)
	}
	return nil
}

// LoadRuntime reads the record in the runtime directory dir. The error wraps
// ErrNoRecord when there is none and ErrOtherBoot when it was written before the
// last boot. After any error there is nothing to resume.
func LoadRuntime(dir string) (Runtime, error) {
	path := filepath.Join(dir, runtimeFile)
	data, err := readPlain(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Runtime{}, fmt.Errorf("load %s: %w", path, ErrNoRecord)
	}
	if err != nil {
		return Runtime{}, fmt.Errorf("load the runtime record: %w", err)
	}
	var record runtimeRecord
	if err := json.Unmarshal(data, &record); err != nil {
		return Runtime{}, fmt.Errorf("load %s: %w", path, err)
	}
	if record.Version != recordVersion {
		return Runtime{}, fmt.Errorf("load %s: record has version %d, this program knows %d",
			path, record.Version, recordVersion)
	}
	boot, err := bootID()
	if err != nil {
		return Runtime{}, fmt.Errorf("load the runtime record: %w", err)
	}
	if record.Boot != boot {
		return Runtime{}, fmt.Errorf("load %s: %w", path, ErrOtherBoot)
	}
	return record.Runtime, nil
}

// RemoveRuntime removes the record from the runtime directory dir, so that the
// next agent starts anew. No record is no error.
func RemoveRuntime(dir string) error {
	err := os.Remove(filepath.Join(dir, runtimeFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the runtime record: %w", err)
	}
	return nil
}

// bootID returns the kernel's id of the present boot.
func bootID() (string, error) {
	text, err := os.ReadFile(bootIDFile)
	if err != nil {
		return "", fmt.Errorf("read the boot id: %w", err)
	}
	id := strings.TrimSpace(string(text))
	if id == "" {
		return "", fmt.Errorf("read the boot id: %s is empty", bootIDFile)
	}
	return id, nil
}
