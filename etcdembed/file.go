package etcdembed

import (
	"fmt"
	"time"

	"github.com/mmm-ha/mmm/internal/conffile"
)

// file is the configuration file as it is written. See Options for what the
// fields mean.
type file struct {
	Name           string            `yaml:"name"`
	DataDir        string            `yaml:"dataDir"`
	ClientURL      string            `yaml:"clientURL"`
	PeerURL        string            `yaml:"peerURL"`
	InitialCluster map[string]string `yaml:"initialCluster"`
	Join           bool              `yaml:"join"`
	Token          string            `yaml:"token"`
	Profile        string            `yaml:"profile"`
	Heartbeat      conffile.Duration `yaml:"heartbeat"`
	Election       conffile.Duration `yaml:"election"`
	ClientTLS      TLSFiles          `yaml:"clientTLS"`
	PeerTLS        TLSFiles          `yaml:"peerTLS"`
	Insecure       bool              `yaml:"insecure"`
	QuotaBytes     int64             `yaml:"quotaBytes"`
	KeepRevisions  int64             `yaml:"keepRevisions"`
}

// ReadFile reads and validates the YAML file at path. Unknown and doubled
// fields are errors. An error shows the line with a caret under the place
// wherever the mistake has one.
func ReadFile(path string) (Options, error) {
	var f file
	var options Options
	err := conffile.Read(path, &f, func() (err error) {
		if options, err = f.options(); err != nil {
			return err
		}
		return options.Validate()
	})
	return options, err
}

func (f file) options() (Options, error) {
	o := Options{
		Name: f.Name, DataDir: f.DataDir, ClientURL: f.ClientURL, PeerURL: f.PeerURL,
		InitialCluster: f.InitialCluster, Join: f.Join, Token: f.Token,
		Heartbeat: time.Duration(f.Heartbeat), Election: time.Duration(f.Election),
		ClientTLS: f.ClientTLS, PeerTLS: f.PeerTLS, Insecure: f.Insecure,
		QuotaBytes: f.QuotaBytes, KeepRevisions: f.KeepRevisions,
	}
	if f.Profile == "" {
		return o, nil
	}
	if o.Heartbeat != 0 || o.Election != 0 {
		return Options{}, mistake{"profile", "sets heartbeat and election, which are given too: keep one of the two"}
	}
	var ok bool
	if o.Heartbeat, o.Election, ok = Profile(f.Profile); !ok {
		return Options{}, mistake{"profile", fmt.Sprintf("%q is unknown: write lan, fast or wan", f.Profile)}
	}
	return o, nil
}
