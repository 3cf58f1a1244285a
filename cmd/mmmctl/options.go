package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/pflag"

	"github.com/mmm-ha/mmm/internal/certs"
	"github.com/mmm-ha/mmm/internal/ctl"
)

const (
	fileDefault     = "/etc/mmm/mmmctl.yaml"
	endpointDefault = "http://127.0.0.1:2379"
	timeoutDefault  = 30 * time.Second
)

// options are the settings that a flag, the environment or the file can give.
type options struct {
	Endpoints []string      `yaml:"endpoints"`
	Cluster   string        `yaml:"cluster"`
	CACert    string        `yaml:"cacert"`
	Cert      string        `yaml:"cert"`
	Key       string        `yaml:"key"`
	Output    string        `yaml:"output"`
	Timeout   time.Duration `yaml:"timeout"`
}

// settle fills in what no flag said: first the environment, then the file, then
// the defaults. changed tells which flags were given; nil: none.
func settle(o options, file string, changed func(name string) bool, getenv func(string) string) (options, error) {
	if changed == nil {
		changed = func(string) bool { return false }
	}
	fromFile, err := readFile(file, changed("config") || getenv("MMM_CONFIG") != "")
	if err != nil {
		return o, err
	}
	text := func(dst *string, flag, env, inFile, def string) {
		if !changed(flag) && *dst == "" {
			*dst = first(getenv(env), inFile, def)
		}
	}
	text(&o.Cluster, "cluster", "MMM_CLUSTER", fromFile.Cluster, "")
	text(&o.CACert, "cacert", "MMM_CACERT", fromFile.CACert, "")
	text(&o.Cert, "cert", "MMM_CERT", fromFile.Cert, "")
	text(&o.Key, "key", "MMM_KEY", fromFile.Key, "")
	text(&o.Output, "output", "MMM_OUTPUT", fromFile.Output, string(ctl.Table))
	if !changed("endpoints") {
		o.Endpoints = fromFile.Endpoints
		if env := getenv("MMM_ENDPOINTS"); env != "" {
			o.Endpoints = strings.Split(env, ",")
		}
		if len(o.Endpoints) == 0 {
			o.Endpoints = []string{endpointDefault}
		}
	}
	if !changed("timeout") {
		o.Timeout = fromFile.Timeout
		if env := getenv("MMM_TIMEOUT"); env != "" {
			if o.Timeout, err = time.ParseDuration(env); err != nil {
				return o, usagef("MMM_TIMEOUT: %q is not a duration; write 30s or 2m", env)
			}
		}
		if o.Timeout == 0 {
			o.Timeout = timeoutDefault
		}
	}
	if o.Timeout <= 0 {
		return o, usagef("the time-out must be longer than 0, not %s", o.Timeout)
	}
	return o, nil
}

// readFile reads the settings file. One that nobody named may be absent.
func readFile(name string, named bool) (options, error) {
	var o options
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return o, nil
	}
	if err != nil {
		return o, usagef("read settings: %v", err)
	}
	if err := yaml.UnmarshalWithOptions(data, &o, yaml.Strict()); err != nil {
		return o, usagef("%s: %s", name, yaml.FormatError(err, false, true))
	}
	return o, nil
}

// define adds the flags that all commands have.
func (o *options) define(f *pflag.FlagSet) {
	f.StringSliceVar(&o.Endpoints, "endpoints", nil, "etcd members, nearest first (MMM_ENDPOINTS; default "+endpointDefault+")")
	f.StringVarP(&o.Cluster, "cluster", "c", "", "name of the cluster (MMM_CLUSTER)")
	f.StringVar(&o.CACert, "cacert", "", "certificate authority of etcd (MMM_CACERT)")
	f.StringVar(&o.Cert, "cert", "", "own certificate for etcd (MMM_CERT)")
	f.StringVar(&o.Key, "key", "", "key of the own certificate (MMM_KEY)")
	f.StringVarP(&o.Output, "output", "o", "", "table, json or yaml (MMM_OUTPUT; default table)")
	f.DurationVar(&o.Timeout, "timeout", 0, "how long to wait for the agents (MMM_TIMEOUT; default "+timeoutDefault.String()+")")
}

// certs are what mmmctl shows to etcd.
func (o options) certs() (*certs.Certs, error) {
	files := certs.Files{CA: o.CACert, Cert: o.Cert, Key: o.Key, Names: certs.Names{CA: "--cacert", Cert: "--cert", Key: "--key"}}
	for _, e := range o.Endpoints {
		if files.Given() && strings.HasPrefix(e, "http:") {
			return nil, usagef("--endpoints has %s, plain http, for which certificates are no use: write https, or leave out --cacert, --cert and --key", e)
		}
	}
	c, err := certs.Open(files)
	if err != nil {
		return nil, usagef("%v", err)
	}
	return c, nil
}

func first(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}

func usagef(format string, args ...any) error {
	return &ctl.Error{Exit: ctl.ExitUsage, Text: fmt.Sprintf(format, args...)}
}
