package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Options say what a bed is made of. The zero value, with BinDir, is the whole
// default cluster.
type Options struct {
	// Work is the directory of the bed: one folder per host, log/ with one file
	// per process, cluster.yaml. Empty: a new one in /dev/shm. It is made when
	// absent; what the bed put there is removed by Close unless Keep is set.
	Work string
	Keep bool

	// BinDir holds mmmagent and mmmctl. Needed for the parts Etcd, Agents and Cluster.
	BinDir string

	// Parts are what Up starts on the hosts. Zero means All.
	Parts Parts

	// Hosts are the machines of the bed. Nil means DefaultHosts.
	Hosts []Host

	// Cluster is the name of the cluster, "shop" by default.
	Cluster string
	// Profile is the timing profile of the cluster file and of etcd: fast (default) or lan.
	Profile string
	// AutoSetOnline is recovery.autoSetOnline of the cluster file, 60 s by default.
	AutoSetOnline time.Duration
	// WriterVIPs and ReaderVIPs default to those of the scenario.
	WriterVIPs, ReaderVIPs []netip.Addr
	// RouterVIPs is the scenario's one by default, when a host is a router.
	RouterVIPs []netip.Addr

	// Disks gives the datadir of each database host a file system of its own (see
	// FillDisk, StallDisk, BreakDisk, LosePower).
	Disks bool
	// TLS makes etcd, its clients and the agents among themselves show certificates
	// (see Certify).
	TLS bool
	// Cgroups puts each host into a control group of its own (see FreezeHost);
	// KillHost then kills it in one step.
	Cgroups bool

	// Template is a datadir made by MakeTemplate. Empty: the bed makes its own.
	Template string

	// Progress, when set, is told in a few words what New does. It is called by
	// New only, in order, and must not block for long.
	Progress func(string)
}

// Host is one machine of a bed.
type Host struct {
	Name    string     // also the name of its port on the switch: at most 15 letters
	Address netip.Addr // its own address, /24 on eth0
	// Mode is master (may be writer), slave (never) or empty: no database
	// there, the machine of a client.
	Mode     string
	Priority int  // lower is preferred as writer
	Etcd     bool // an etcd member runs here
	Router   bool // an mmmrouter runs here, with an agent beside it; no database
}

// Database reports whether a mysqld and an agent belong on the host.
func (h Host) Database() bool { return h.Mode != "" }

// Agent reports whether an agent belongs on the host.
func (h Host) Agent() bool { return h.Database() || h.Router }

// Parts is a set of what New starts.
type Parts uint8

// The parts, each needs those before it to be useful.
const (
	MySQL   Parts = 1 << iota // a mysqld per database host
	Etcd                      // the etcd members
	Agents                    // apply the cluster file, then an agent per database host
	Cluster                   // name the first writer, wait until all VIPs answer

	All = MySQL | Etcd | Agents | Cluster
	// Bare starts machines and network only.
	Bare Parts = 1 << 7
)

// Has reports whether all of p are in the set.
func (s Parts) Has(p Parts) bool { return s&p == p }

// partWords are the names of the single parts, in order.
var partWords = []struct {
	part Parts
	word string
}{{MySQL, "mysql"}, {Etcd, "etcd"}, {Agents, "agents"}, {Cluster, "cluster"}, {Bare, "bare"}}

// String lists the words that ParseParts reads.
func (s Parts) String() string {
	var words []string
	for _, p := range partWords {
		if s.Has(p.part) {
			words = append(words, p.word)
		}
	}
	return strings.Join(words, ",")
}

// ParseParts reads a list such as "mysql,etcd". The words are mysql, etcd,
// agents, cluster, all and bare.
func ParseParts(list string) (Parts, error) {
	var parts Parts
	for word := range strings.SplitSeq(list, ",") {
		before := parts
		if word == "all" {
			parts |= All
		}
		for _, p := range partWords {
			if p.word == word {
				parts |= p.part
			}
		}
		if parts == before {
			return 0, fmt.Errorf("unknown or repeated part %q; the parts are mysql, etcd, agents, cluster, all and bare", word)
		}
	}
	return parts, nil
}

// Ports that the bed uses on every host.
const (
	ClientPort      = 3306 // applications
	ReplicationPort = 3309 // replicas and peers
	etcdClientPort  = 2379
	etcdPeerPort    = 2380
)

// ClientHost is the machine of the applications in DefaultHosts.
const ClientHost = "client"

// DefaultHosts are the scenario's machines: db1 and db2 may be writer, db3 and
// db4 never, etcd members on the first three, and a client.
func DefaultHosts() []Host {
	return []Host{
		{Name: "db1", Address: addr("192.0.2.161"), Mode: "master", Priority: 1, Etcd: true},
		{Name: "db2", Address: addr("192.0.2.162"), Mode: "master", Priority: 2, Etcd: true},
		{Name: "db3", Address: addr("192.0.2.164"), Mode: "slave", Etcd: true},
		{Name: "db4", Address: addr("192.0.2.165"), Mode: "slave"},
		{Name: ClientHost, Address: addr("192.0.2.10")},
	}
}

// RouterHosts are two machines with a router each, to be added to DefaultHosts.
func RouterHosts() []Host {
	return []Host{
		{Name: "router1", Address: addr("192.0.2.171"), Router: true},
		{Name: "router2", Address: addr("192.0.2.172"), Router: true},
	}
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// maxSocketPath is the kernel's limit of a unix socket's path, less the
// longest name of a socket in a host's folder.
const maxSocketPath = 107 - len("/database1/mysqld.sock")

// withDefaults fills in what is not said and makes the work directory.
func (o Options) withDefaults() (Options, error) {
	if o.Parts == 0 {
		o.Parts = All
	}
	if o.Hosts == nil {
		o.Hosts = DefaultHosts()
	}
	if o.Cluster == "" {
		o.Cluster = "shop"
	}
	if o.Profile == "" {
		o.Profile = "fast"
	}
	if o.AutoSetOnline == 0 {
		o.AutoSetOnline = time.Minute
	}
	if o.WriterVIPs == nil {
		o.WriterVIPs = []netip.Addr{addr("192.0.2.113")}
	}
	if o.ReaderVIPs == nil {
		o.ReaderVIPs = []netip.Addr{addr("192.0.2.111"), addr("192.0.2.112"), addr("192.0.2.114"), addr("192.0.2.115")}
	}
	if o.RouterVIPs == nil {
		o.RouterVIPs = []netip.Addr{addr("192.0.2.170")}
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if err := o.check(); err != nil {
		return o, err
	}
	return o.withWork()
}

func (o Options) check() error {
	seen := make(map[string]bool)
	for _, h := range o.Hosts {
		switch {
		case h.Name == "" || len(h.Name) > 15:
			return fmt.Errorf("host %q: its name must have 1 to 15 letters, it names a network interface", h.Name)
		case h.Name == Everyone || seen[h.Name]:
			return fmt.Errorf("host %q: the name is taken", h.Name)
		case h.Router && h.Database():
			return fmt.Errorf("host %s: a router needs a machine without a database", h.Name)
		case !h.Address.Is4():
			return fmt.Errorf("host %s: address %v is not IPv4", h.Name, h.Address)
		}
		seen[h.Name] = true
	}
	need := []string{"nsenter", "nft"}
	if o.Parts.Has(MySQL) {
		need = append(need, "mariadbd", "mariadb-install-db", "cp")
	}
	if o.Disks {
		need = append(need, "mkfs.ext4", "mount")
	}
	if o.Parts&(Etcd|Agents|Cluster) != 0 {
		need = append(need, filepath.Join(o.BinDir, "mmmagent"))
	}
	if o.Parts&(Agents|Cluster) != 0 {
		need = append(need, filepath.Join(o.BinDir, "mmmctl"))
	}
	var errs []error
	for _, name := range need {
		if _, err := exec.LookPath(name); err != nil {
			errs = append(errs, fmt.Errorf("find %s: %w (scripts/install-deps.sh installs what the bed needs; the project's own programs come from go build)", name, err))
		}
	}
	return errors.Join(errs...)
}

func (o Options) withWork() (Options, error) {
	var err error
	if o.Work == "" {
		o.Work, err = os.MkdirTemp("/dev/shm", "mmmlab-")
	} else if o.Work, err = filepath.Abs(o.Work); err == nil {
		err = os.MkdirAll(o.Work, 0o755)
	}
	if err != nil {
		return o, fmt.Errorf("make work directory: %w", err)
	}
	if len(o.Work) > maxSocketPath {
		return o, fmt.Errorf("work directory %s: %d letters, a unix socket below it allows %d", o.Work, len(o.Work), maxSocketPath)
	}
	// mysqld and the agents run with other umasks and perhaps another user.
	if err := os.Chmod(o.Work, 0o755); err != nil {
		return o, fmt.Errorf("open work directory: %w", err)
	}
	return o, nil
}
