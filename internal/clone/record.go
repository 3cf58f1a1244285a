package clone

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mmm-ha/mmm/topology"
)

const recordFile = "clone.json"

// Load reads how far a copy of this host is. None was begun: the zero value. One
// that was still coming when its agent ended is worth nothing, and is none.
func (d Dirs) Load() (topology.Clone, error) {
	raw, err := os.ReadFile(filepath.Join(d.State, recordFile))
	if errors.Is(err, fs.ErrNotExist) {
		return topology.Clone{}, nil
	}
	var c topology.Clone
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil {
		return c, fmt.Errorf("read how far the copy is: %w", err)
	}
	return c, nil
}

// Save keeps how far the copy is; it is on disk when Save returns. The zero value
// removes the record.
func (d Dirs) Save(c topology.Clone) error {
	if err := d.save(c); err != nil {
		return fmt.Errorf("keep how far the copy is: %w", err)
	}
	return nil
}

func (d Dirs) save(c topology.Clone) error {
	path := filepath.Join(d.State, recordFile)
	if c.Step == "" {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return syncDir(d.State)
	}
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path+".half", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return errors.Join(os.Rename(path+".half", path), syncDir(d.State))
}
