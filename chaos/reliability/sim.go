package reliability

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Simulated is one campaign of simulated clusters: a line of sim.jsonl.
type Simulated struct {
	Commit     string  `json:"commit"`
	Seeds      int     `json:"seeds"`
	Seconds    float64 `json:"seconds"` // of the simulated clusters, all seeds together
	Faults     int     `json:"faults"`
	Failovers  int     `json:"failovers"`
	Writes     int     `json:"writes"` // acknowledged and looked up
	Violations int     `json:"violations"`
}

// loadSimulated reads a file that need not exist.
func loadSimulated(file string) ([]Simulated, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read simulated runs: %w", err)
	}
	defer f.Close()
	var all []Simulated
	for in := json.NewDecoder(bufio.NewReader(f)); ; {
		var s Simulated
		if err := in.Decode(&s); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("read simulated runs of %s: %w", file, err)
		}
		all = append(all, s)
	}
}
