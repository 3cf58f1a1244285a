package etcdembed

import (
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	// defaultToken is mixed into the ids of a new cluster and its members.
	defaultToken = "mmm"

	// defaultQuotaBytes is etcd's own default. What we store is a few MB; when
	// the quota is reached etcd takes no more writes, leases included, so there
	// is nothing to win by a tight one.
	defaultQuotaBytes = 2 << 30

	// defaultKeepRevisions bounds the history by its size and not by its age.
	// Nobody reads old revisions: a watch that fell behind reloads. A count
	// keeps hours of history on an idle cluster, for whoever looks into an
	// incident, and still stops a run-away writer from filling the quota; an
	// hour by the clock would do the opposite of both.
	defaultKeepRevisions = 10_000

	// electionMax is etcd's own upper limit.
	electionMax = 50 * time.Second
	// heartbeatMin keeps the ticks above the scheduling jitter of a busy host.
	heartbeatMin = 10 * time.Millisecond
)

// Options describe one member. Name, DataDir, ClientURL, PeerURL and
// InitialCluster are needed; every other field has a default. URLs have the
// form scheme://IP:port: the member listens on exactly this address and tells
// the others to dial it.
type Options struct {
	Name      string // of this member, unique in the cluster
	DataDir   string // absolute; created with mode 0700
	ClientURL string // where clients (agents, routers, mmmctl) reach it
	PeerURL   string // where the other members reach it

	// InitialCluster maps member names to peer URLs. Without Join it is the
	// whole cluster to be formed, this member included, equal on every host.
	// With Join one reachable member is enough. When DataDir already holds a
	// member it is compared with what the directory knows, and otherwise unused.
	InitialCluster map[string]string

	// Join adds this member to a running cluster: first as a learner without a
	// vote, and as a voter when it has caught up. It is without effect when
	// DataDir already holds the member, so it may stay set.
	Join bool

	// Token distinguishes clusters that were formed at different times from
	// equal InitialCluster maps. Default "mmm".
	Token string

	// Heartbeat and Election are etcd's timing; both zero means the profile
	// "lan". The smallest lease that etcd grants is 1.5 times Election.
	Heartbeat, Election time.Duration

	ClientTLS, PeerTLS TLSFiles

	// Insecure allows plain http on addresses other than loopback. Everybody
	// who reaches the port can then move the writer.
	Insecure bool

	QuotaBytes    int64 // size limit of the database file; default 2 GiB
	KeepRevisions int64 // history kept by compaction, in revisions; default 10,000

	Log *slog.Logger // nil discards
}

// TLSFiles names the PEM files of one listener. The certificate is used for
// both ends of a connection, so it needs the usages serverAuth and clientAuth;
// the other end must show one that CA has signed.
type TLSFiles struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
	CA   string `yaml:"ca"`
}

// Profile returns the timing that a profile name stands for: "lan", "fast" or
// "wan". ok is false for any other name.
func Profile(name string) (heartbeat, election time.Duration, ok bool) {
	switch name {
	case "lan":
		return 100 * time.Millisecond, time.Second, true
	case "fast":
		return 50 * time.Millisecond, 500 * time.Millisecond, true
	case "wan":
		return 300 * time.Millisecond, 3 * time.Second, true
	}
	return 0, 0, false
}

// withDefaults fills in what was left out and brings the URLs into one form.
func (o Options) withDefaults() Options {
	if o.Heartbeat == 0 && o.Election == 0 {
		o.Heartbeat, o.Election, _ = Profile("lan")
	}
	if o.Token == "" {
		o.Token = defaultToken
	}
	if o.QuotaBytes == 0 {
		o.QuotaBytes = defaultQuotaBytes
	}
	if o.KeepRevisions == 0 {
		o.KeepRevisions = defaultKeepRevisions
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.ClientURL, o.PeerURL = tidyURL(o.ClientURL), tidyURL(o.PeerURL)
	tidy := make(map[string]string, len(o.InitialCluster))
	for name, peer := range o.InitialCluster {
		tidy[name] = tidyURL(peer)
	}
	o.InitialCluster = tidy
	return o
}

// others lists the configured members but this one, by name in order.
func (o Options) others() []peer {
	var out []peer
	for _, name := range slices.Sorted(maps.Keys(o.InitialCluster)) {
		if name != o.Name && o.InitialCluster[name] != o.PeerURL {
			out = append(out, peer{Name: name, URL: o.InitialCluster[name]})
		}
	}
	return out
}

func tidyURL(u string) string { return strings.TrimRight(u, "/") }
