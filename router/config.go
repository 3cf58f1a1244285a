package router

import (
	"net/netip"
	"os"
	"time"

	"github.com/mmm-ha/mmm/internal/conffile"
)

// Config is the file of one router (/etc/mmm/mmmrouter.yaml). Everything about
// the cluster stands in etcd; this says who the router is, where it listens and
// what it allows. sample.yaml explains each key and shows its default.
type Config struct {
	Cluster string        `yaml:"cluster"`
	Name    string        `yaml:"name"` // of this router among the routers; the host's name unless given
	Etcd    conffile.Etcd `yaml:"etcd"`
	Peer    Peer          `yaml:"peer"`

	Listeners []Listener `yaml:"listeners"`
	Admin     string     `yaml:"admin"` // address of the pages for operators and Prometheus

	TLS     FrontTLS   `yaml:"tls"`
	Backend BackendTLS `yaml:"backend"`
	Users   Users      `yaml:"users"`

	Limits      Limits      `yaml:"limits"`
	Hold        Hold        `yaml:"hold"`
	Readers     Readers     `yaml:"readers"`
	Consistency Consistency `yaml:"consistency"`
	SlowLog     SlowLog     `yaml:"slowLog"`
	Trace       Trace       `yaml:"trace"`
	Digests     int         `yaml:"digests"` // how many kinds of statements are counted apart
	Drain       Drain       `yaml:"drain"`
	Threads     int         `yaml:"threads"` // that run sessions; 0: half as many as there are processors
}

// Peer is what the router shows agents that it asks while etcd is away; nothing
// when agents talk in the clear.
type Peer struct {
	CA   string `yaml:"ca"`
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// Listener is one address that clients connect to.
type Listener struct {
	Address string  `yaml:"address"`
	Mode    Mode    `yaml:"mode"`
	TLS     TLSMode `yaml:"tls"`
	// ProxyProtocol lists the networks of load balancers, which must send a PROXY
	// header first. A header from anywhere else is refused.
	ProxyProtocol []netip.Prefix `yaml:"proxyProtocol"`
}

// Mode says what the statements that come through a listener are for.
type Mode string

// The modes.
const (
	Split      Mode = "split"  // each statement where it belongs
	WriterOnly Mode = "writer" // all of them to the writer
	ReaderOnly Mode = "reader" // all of them to readers; what writes is refused
)

// TLSMode says whether clients of a listener may, or must, use TLS.
type TLSMode string

// The TLS modes of a listener.
const (
	TLSOff     TLSMode = "off"
	TLSOffer   TLSMode = "offer"
	TLSRequire TLSMode = "require"
)

// FrontTLS is what the router shows its clients.
type FrontTLS struct {
	Cert       string `yaml:"cert"`
	Key        string `yaml:"key"`
	CA         string `yaml:"ca"`         // who signs certificates of clients; empty: none is asked for
	MinVersion string `yaml:"minVersion"` // "1.2" or "1.3"
}

// BackendTLS is how the router speaks to servers.
type BackendTLS struct {
	TLS  BackendTLSMode `yaml:"tls"`
	CA   string         `yaml:"ca"`
	Cert string         `yaml:"cert"`
	Key  string         `yaml:"key"`
}

// BackendTLSMode says how far a server's TLS is asked for and believed.
type BackendTLSMode string

// The TLS modes of the servers' side.
const (
	BackendOff     BackendTLSMode = "off"
	BackendPrefer  BackendTLSMode = "prefer"  // when the server offers it
	BackendRequire BackendTLSMode = "require" // whatever certificate it shows
	BackendVerify  BackendTLSMode = "verify"  // with a certificate of CA and the server's address in it
)

// Users says how the router knows who may log in.
type Users struct {
	File         string `yaml:"file"`    // users by file; empty: those of the servers
	Account      string `yaml:"account"` // with which the router reads users from the writer
	PasswordFile string `yaml:"passwordFile"`
}

// Limits bound what clients may take. Zero means no limit, except where it is
// said otherwise.
type Limits struct {
	Connections int               `yaml:"connections"` // at work; never 0
	PerUser     int               `yaml:"perUser"`
	Queue       int               `yaml:"queue"`     // logins that may wait for a place; 0: none waits
	QueueTime   conffile.Duration `yaml:"queueTime"` // how long each waits
	Idle        conffile.Duration `yaml:"idle"`
	Query       conffile.Duration `yaml:"query"`
	Statement   conffile.Size     `yaml:"statement"` // of one command of a client, all its packets; never 0
	LoginTime   conffile.Duration `yaml:"loginTime"` // from the connect to the end of the login; never 0
}

// Hold bounds what waits while there is no writer.
type Hold struct {
	Time       conffile.Duration `yaml:"time"`
	Statements int               `yaml:"statements"`
	Bytes      conffile.Size     `yaml:"bytes"`
}

// Readers says which hosts may be read from.
type Readers struct {
	MaxLag conffile.Duration `yaml:"maxLag"`
	Writer WriterReads       `yaml:"writer"`
}

// WriterReads says when the writer is read from by statements that a reader could
// answer.
type WriterReads string

// When the writer is read from.
const (
	WriterNever    WriterReads = "never"
	WriterFallback WriterReads = "fallback" // when there is no reader
	WriterAlways   WriterReads = "always"   // as one among the readers
)

// Consistency says what a read must have seen.
type Consistency string

// The consistencies.
const (
	ConsistencyOff     Consistency = "off"     // whatever the reader has
	ConsistencySession Consistency = "session" // the client's own writes
	ConsistencyGlobal  Consistency = "global"  // the writes of all clients of this router
)

// SlowLog says which statements are written down, and where.
type SlowLog struct {
	File      string            `yaml:"file"` // empty: none
	Threshold conffile.Duration `yaml:"threshold"`
}

// Trace says what /trace and `mmmrouter trace` show.
type Trace struct {
	Literals bool `yaml:"literals"` // statements as they are, with what stands in them
}

// Drain says how a router ends.
type Drain struct {
	// Linger is how long connections are still accepted after the router said that
	// it is not ready any more: until whoever looks at that has seen it.
	Linger conffile.Duration `yaml:"linger"`
	Time   conffile.Duration `yaml:"time"` // for transactions and statements to end
}

// Defaults is the configuration of an empty file.
func Defaults() Config {
	name, _ := os.Hostname() // a file may name the router; validate says so when nothing does
	return Config{
		Name: name,
		Etcd: conffile.Etcd{Endpoints: []string{"http://127.0.0.1:2379"}},
		// Applications find splitting where they always connected. 3307 for reads is
		// the habit of most proxies.
		Listeners: []Listener{
			{Address: "0.0.0.0:3306", Mode: Split, TLS: TLSOff},
			{Address: "0.0.0.0:3307", Mode: ReaderOnly, TLS: TLSOff},
			{Address: "0.0.0.0:3308", Mode: WriterOnly, TLS: TLSOff},
		},
		Admin:   "127.0.0.1:9990",
		TLS:     FrontTLS{MinVersion: "1.2"},
		Backend: BackendTLS{TLS: BackendPrefer},
		Users:   Users{Account: "mmm_router"},
		Limits: Limits{
			Connections: 1000, Queue: 1000, QueueTime: seconds(10),
			Idle: conffile.Duration(8 * time.Hour), LoginTime: seconds(10),
			Statement: 64 * conffile.MiB, // max_allowed_packet of MySQL; MariaDB's is less
		},
		Hold:        Hold{Time: seconds(10), Statements: 1000, Bytes: 64 * conffile.MiB},
		Readers:     Readers{MaxLag: seconds(5), Writer: WriterFallback},
		Consistency: ConsistencySession,
		SlowLog:     SlowLog{Threshold: seconds(1)},
		Digests:     2000,
		Drain:       Drain{Time: seconds(25)}, // less than the 30 s that systemd gives
	}
}

func seconds(n int) conffile.Duration { return conffile.Duration(time.Duration(n) * time.Second) }

// ReadConfig reads and checks the file. The error names everything that is wrong
// with it, each with its place and the way to mend it.
func ReadConfig(path string) (Config, error) {
	cfg := Defaults()
	err := conffile.Read(path, &cfg, func() error { return cfg.complete().validate() })
	return cfg.complete(), err
}

// complete fills in what depends on other keys.
func (c Config) complete() Config {
	listeners := make([]Listener, len(c.Listeners))
	for i, l := range c.Listeners {
		if l.Mode == "" {
			l.Mode = Split
		}
		if l.TLS == "" {
			l.TLS = TLSOff
			if c.TLS.Cert != "" {
				l.TLS = TLSOffer
			}
		}
		listeners[i] = l
	}
	c.Listeners = listeners
	return c
}

// CheckConfig is ReadConfig that also reads the files which the configuration names,
// as a router does when it starts; so whoever calls it must be allowed to read them.
func CheckConfig(path string) (Config, error) {
	cfg := Defaults()
	err := conffile.Read(path, &cfg, func() error {
		m := conffile.NewMistakes()
		cfg.complete().check(m)
		cfg.complete().contents(m)
		return m.Err()
	})
	return cfg.complete(), err
}
