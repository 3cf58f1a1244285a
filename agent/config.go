package agent

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/goccy/go-yaml"
)

// Config is the small file that each host has of its own (/etc/mmm/mmm.yaml).
// Everything about the cluster stands in etcd; this says who the host is and
// how to reach etcd and the local mysqld.
type Config struct {
	Host    string      `yaml:"host"`
	Cluster string      `yaml:"cluster"`
	Etcd    EtcdConfig  `yaml:"etcd"`
	MySQL   MySQLConfig `yaml:"mysql"`
	Peer    PeerConfig  `yaml:"peer"`

	Service ServiceConfig `yaml:"service"`

	State  string `yaml:"state"` // survives a reboot
	RunDir string `yaml:"run"`   // does not
	Fence  string `yaml:"fence"` // on the port of clients: FenceNFT, or FenceNone
}

// EtcdConfig says where etcd is, nearest member first.
type EtcdConfig struct {
	Endpoints []string `yaml:"endpoints"`
	Insecure  bool     `yaml:"insecure"` // plain http beyond this host
	CA        string   `yaml:"ca"`
	Cert      string   `yaml:"cert"`
	Key       string   `yaml:"key"`
}

// MySQLConfig says how to reach the local mysqld. Passwords stand in files.
type MySQLConfig struct {
	Socket                  string `yaml:"socket"`
	User                    string `yaml:"user"`
	PasswordFile            string `yaml:"passwordFile"`
	ReplicationUser         string `yaml:"replicationUser"`
	ReplicationPasswordFile string `yaml:"replicationPasswordFile"`
	Datadir                 string `yaml:"datadir"`
	DefaultsFile            string `yaml:"defaultsFile"` // that mysqld is started with; empty: the usual ones
}

// The kinds of fence that a file may ask for.
const (
	FenceNFT  = "nftables"
	FenceNone = "none" // an agent that dies leaves its port open
)

// defaults are those of the packages.
func defaults() Config {
	return Config{
		State: "/var/lib/mmm", RunDir: "/run/mmm", Fence: FenceNFT,
		MySQL:   MySQLConfig{Socket: "/run/mysqld/mysqld.sock", User: "mmm_agent", ReplicationUser: "repl", Datadir: "/var/lib/mysql"},
		Peer:    PeerConfig{Port: peerPort},
		Service: defaultService(),
		Etcd:    EtcdConfig{Endpoints: []string{"http://127.0.0.1:2379"}},
	}
}

// ReadConfig reads and checks the file. The error names line, column and fix.
func ReadConfig(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read the agent's configuration: %w", err)
	}
	cfg := defaults()
	if err := yaml.UnmarshalWithOptions(data, &cfg, yaml.Strict()); err != nil {
		return Config{}, fmt.Errorf("%s:%s", path, yaml.FormatError(err, false, true))
	}
	if err := cfg.validate(); err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return cfg, nil
}

func (c Config) validate() error {
	switch {
	case c.Host == "":
		return errors.New("`host` is missing: write the name that this host has in the cluster file, such as `host: db1`")
	case c.Cluster == "" || strings.Contains(c.Cluster, "/"):
		return errors.New("`cluster` is missing or has a slash: write the cluster's name, such as `cluster: shop`")
	case c.Fence != FenceNFT && c.Fence != FenceNone:
		return fmt.Errorf("`fence` is %q: leave it out, which means %s, or write %s, and a dead agent will leave its port open", c.Fence, FenceNFT, FenceNone)
	case len(c.Etcd.Endpoints) == 0:
		return errors.New("`etcd.endpoints` is empty: list the etcd members, nearest first")
	}
	if err := c.Service.validate(); err != nil {
		return err
	}
	for _, e := range c.Etcd.Endpoints {
		if err := c.Etcd.check(e); err != nil {
			return err
		}
	}
	return nil
}

// check refuses an endpoint that would send passwords and fences over the
// network in the clear without anybody having said so.
func (c EtcdConfig) check(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("`etcd.endpoints` has %q: write http://ADDRESS:2379 or https://ADDRESS:2379", endpoint)
	}
	local := u.Hostname() == "localhost" || strings.HasPrefix(u.Hostname(), "127.") || u.Hostname() == "::1"
	if u.Scheme == "http" && !local && !c.Insecure {
		return fmt.Errorf("`etcd.endpoints` has %q, plain http to another host: use https with `ca`, `cert` and `key`, or say `insecure: true` if the network is trusted", endpoint)
	}
	return nil
}

// tls is the client side of https endpoints; nil for plain ones.
func (c EtcdConfig) tls() (*tls.Config, error) {
	if c.CA == "" && c.Cert == "" {
		return nil, nil
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("read `etcd.ca`: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("`etcd.ca`: %s holds no certificate", c.CA)
		}
	}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("read `etcd.cert` and `etcd.key`: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

// password reads a password file: one line, not readable by others.
func password(what, path string) (string, error) {
	if path == "" {
		return "", nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", what, err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return "", fmt.Errorf("%s: %s is readable by everybody: chmod 0600 it", what, path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", what, err)
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}
