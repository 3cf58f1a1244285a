package etcdembed

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
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
	Heartbeat      duration          `yaml:"heartbeat"`
	Election       duration          `yaml:"election"`
	ClientTLS      TLSFiles          `yaml:"clientTLS"`
	PeerTLS        TLSFiles          `yaml:"peerTLS"`
	Insecure       bool              `yaml:"insecure"`
	QuotaBytes     int64             `yaml:"quotaBytes"`
	KeepRevisions  int64             `yaml:"keepRevisions"`
}

// duration is a time.Duration whose parse error keeps its place in the file.
type duration time.Duration

// UnmarshalYAML reads values such as 500ms or 3s.
func (d *duration) UnmarshalYAML(node ast.Node) error {
	text := node.GetToken().Value
	parsed, err := time.ParseDuration(text)
	if err != nil {
		return &yaml.SyntaxError{Message: fmt.Sprintf("%q is not a duration; write 500ms or 3s", text), Token: node.GetToken()}
	}
	*d = duration(parsed)
	return nil
}

// ReadFile reads and validates the YAML file at path. Unknown and doubled
// fields are errors. An error shows the line with a caret under the place
// wherever the mistake has one.
func ReadFile(path string) (Options, error) {
	source, err := os.ReadFile(path)
	if err != nil {
		return Options{}, fmt.Errorf("read etcd configuration: %w", err)
	}
	options, err := parseFile(source)
	if err != nil {
		return Options{}, fmt.Errorf("%s:\n%w", path, err)
	}
	return options, nil
}

func parseFile(source []byte) (Options, error) {
	var f file
	if err := yaml.NewDecoder(bytes.NewReader(source), yaml.Strict()).Decode(&f); err != nil {
		return Options{}, errors.New(yaml.FormatError(err, false, true))
	}
	options, err := f.options()
	if err == nil {
		err = options.Validate()
	}
	if err != nil {
		return Options{}, locate(source, err)
	}
	return options, nil
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

// locate adds to each mistake the lines of source that it is about.
func locate(source []byte, err error) error {
	mistakes := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		mistakes = joined.Unwrap()
	}
	out := make([]error, 0, len(mistakes))
	for _, one := range mistakes {
		out = append(out, locateOne(source, one))
	}
	return errors.Join(out...)
}

func locateOne(source []byte, err error) error {
	var m mistake
	if !errors.As(err, &m) {
		return err
	}
	place, perr := yaml.PathString("$." + m.Field)
	if perr != nil {
		return err
	}
	lines, perr := place.AnnotateSource(source, false)
	if perr != nil || len(lines) == 0 {
		return err // a field that is missing has no place
	}
	return fmt.Errorf("%w\n%s", err, lines)
}
