package agent

import (
	"strings"

	"github.com/mmm-ha/mmm/internal/conffile"
)

// Config is the small file that each host has of its own (/etc/mmm/mmm.yaml).
// Everything about the cluster stands in etcd; this says who the host is and
// how to reach etcd and the local mysqld.
type Config struct {
	Host    string      `yaml:"host"`
	Role    Role        `yaml:"role"` // what runs on this host: a mysqld, or an mmmrouter
	Cluster string      `yaml:"cluster"`
	Etcd    EtcdConfig  `yaml:"etcd"`
	MySQL   MySQLConfig `yaml:"mysql"`
	Peer    PeerConfig  `yaml:"peer"`

	Service ServiceConfig `yaml:"service"`
	Router  RouterConfig  `yaml:"router"`

	State  string `yaml:"state"` // survives a reboot
	RunDir string `yaml:"run"`   // does not
	Fence  string `yaml:"fence"` // on the port of clients: FenceNFT, or FenceNone
}

// Role is what an agent stands beside.
type Role string

// The roles. A router's agent has no mysqld: it holds router VIPs while the
// mmmrouter of its host answers, and nothing else (R54).
const (
	RoleDatabase Role = "database"
	RoleRouter   Role = "router"
)

// home is the directory that one agent at a time may work with, and that bears
// the identity of the host.
func (c Config) home() string {
	if c.Role == RoleRouter {
		return c.State
	}
	return c.MySQL.Datadir
}

// EtcdConfig says where etcd is, nearest member first.
type EtcdConfig = conffile.Etcd

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
		Role: RoleDatabase, State: "/var/lib/mmm", RunDir: "/run/mmm", Fence: FenceNFT,
		MySQL:   MySQLConfig{Socket: "/run/mysqld/mysqld.sock", User: "mmm_agent", ReplicationUser: "repl", Datadir: "/var/lib/mysql"},
		Peer:    PeerConfig{Port: peerPort},
		Service: defaultService(),
		Router:  RouterConfig{Admin: routerAdmin},
		Etcd:    EtcdConfig{Endpoints: []string{"http://127.0.0.1:2379"}},
	}
}

// ReadConfig reads and checks the file. The error names line, column and fix.
func ReadConfig(path string) (Config, error) { return ReadConfigAs(path, "") }

// ReadConfigAs is ReadConfig for an agent of that role, whatever the file says;
// empty: what it says.
func ReadConfigAs(path string, role Role) (Config, error) {
	cfg := defaults()
	err := conffile.Read(path, &cfg, func() error {
		if role != "" {
			cfg.Role = role
		}
		return cfg.validate()
	})
	if err != nil {
		return Config{}, err
	}
	return cfg, nil
}

// validate returns nil, or every mistake.
func (c Config) validate() error {
	m := conffile.NewMistakes()
	if c.Host == "" {
		m.Add("host", "is missing: write the name that this host has in the cluster file, such as `host: db1`")
	}
	if c.Cluster == "" || strings.Contains(c.Cluster, "/") {
		m.Add("cluster", "is missing or has a slash: write the cluster's name, such as `cluster: shop`")
	}
	if c.Role != RoleDatabase && c.Role != RoleRouter {
		m.Add("role", "is %q: leave it out on a database host, or write %s beside an mmmrouter", c.Role, RoleRouter)
	}
	if c.Fence != FenceNFT && c.Fence != FenceNone {
		m.Add("fence", "is %q: leave it out, which means %s, or write %s, and a dead agent will leave its port open", c.Fence, FenceNFT, FenceNone)
	}
	c.Service.check(m.Of("service"))
	c.Router.check(m.Of("router"))
	c.Etcd.Check(m.Of("etcd"))
	return m.Err()
}
