package election

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"sync"

	"github.com/mmm-ha/mmm/topology"
)

// highestFile lies in the state directory, which survives a reboot.
const highestFile = "highest-epoch.json"

// recordVersion is the version of the records on disk that this code writes, and
// the only one that it reads.
const recordVersion = 1

// Highest is the record of the highest epoch that this host has seen of each
// cluster (R17). What it was told, it never forgets: an etcd whose epochs lie
// below went back in time. Its methods may be called from any goroutine; the
// directory belongs to one process.
type Highest struct {
	path string

	mu   sync.Mutex
	seen map[string]seenEpoch // by the cluster's id
}

type seenEpoch struct {
	Epoch topology.Rev `json:"epoch"`
	Boot  string       `json:"boot"` // during which it was first seen

	Distrust topology.Distrust `json:"distrust,omitzero"`
}

type highestRecord struct {
	Version  int                  `json:"v"`
	Clusters map[string]seenEpoch `json:"clusters"`
}

// LoadHighest reads the record in the state directory dir. No file is an empty
// record. A file that cannot be understood is an error, for taking it as empty
// would be to forget.
func LoadHighest(dir string) (*Highest, error) {
	h := &Highest{path: filepath.Join(dir, highestFile), seen: map[string]seenEpoch{}}
	data, err := readPlain(h.path)
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load the highest epoch: %w", err)
	}
	var record highestRecord
	if err := json.Unmarshal(data, &record); err != nil {
		return nil, fmt.Errorf("load the highest epoch from %s: %w", h.path, err)
	}
	if record.Version != recordVersion {
		return nil, fmt.Errorf("load the highest epoch from %s: record has version %d, this program knows %d",
			h.path, record.Version, recordVersion)
	}
	for cluster, seen := range record.Clusters {
		h.seen[cluster] = seen
	}
	return h, nil
}

// Epoch returns the highest epoch that was saved for the cluster with the given
// id, 0 for none.
func (h *Highest) Epoch(cluster string) topology.Rev {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seen[cluster].Epoch
}

// Save records that epoch was seen in the cluster with the given id. When it
// returns nil, that or a higher epoch is durable. A lower epoch than the recorded
// one changes nothing.
func (h *Highest) Save(cluster string, epoch topology.Rev) error {
	return h.change("save the highest epoch", cluster, func(seen *seenEpoch) (news bool, err error) {
		if epoch <= seen.Epoch {
			return false, nil
		}
		seen.Epoch = epoch
		seen.Boot, err = bootID()
		return true, err
	})
}

// Distrusted returns why the etcd of the cluster with the given id is not
// believed; zero: it is.
func (h *Highest) Distrusted(cluster string) topology.Distrust {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seen[cluster].Distrust
}

// Distrust records why the etcd of a cluster is not believed (R17), or with the
// zero value that it is again. When it returns nil, that is durable.
func (h *Highest) Distrust(cluster string, d topology.Distrust) error {
	return h.change("keep what etcd lost", cluster, func(seen *seenEpoch) (news bool, err error) {
		seen.Distrust = d
		return true, nil
	})
}

// change makes what is newly known of a cluster durable.
func (h *Highest) change(do, cluster string, learn func(*seenEpoch) (news bool, err error)) error {
	if cluster == "" {
		return fmt.Errorf("%s: the cluster has no id", do)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := h.seen[cluster]
	news, err := learn(&seen)
	if err == nil && news {
		err = h.write(cluster, seen)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", do, err)
	}
	return nil
}

// write makes what is known of a cluster durable. The lock is held.
func (h *Highest) write(cluster string, seen seenEpoch) error {
	record := highestRecord{Version: recordVersion, Clusters: map[string]seenEpoch{}}
	maps.Copy(record.Clusters, h.seen)
	record.Clusters[cluster] = seen
	data, err := json.Marshal(record)
	if err != nil {
		return err
	}
	if err := replacePlain(h.path, append(data, '\n')); err != nil {
		return err
	}
	h.seen = record.Clusters // only now: a save that did not work must be tried again
	return nil
}
