package storm

import (
	"net/netip"
	"slices"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
)

// Options say what to do to which bed.
type Options struct {
	// Bed was made with BedOptions and is whole.
	Bed *lab.Bed
	// Seed decides the plan.
	Seed uint64
	// Length is the time in which strikes begin; the last one is carried out to
	// its end, so the run takes about a minute longer.
	Length time.Duration
	// Strikes, if not 0, ends the run after so many.
	Strikes int
	// Classes are the names of the faults to choose from; empty: all.
	Classes []string
	// Singles leaves out strikes of two faults.
	Singles bool
	// Slack is added to every limit of a gap, where the machine may be any. 0 for a
	// run that says what the product keeps.
	Slack time.Duration
	// Out is the directory for the history and the logs; it must exist.
	Out string
	// Profile is the timing profile that the bed was made with.
	Profile string
	// Commit and Replay are written down: which version, which command repeats it.
	Commit, Replay string
	// Say takes lines about the progress; it must not block for long.
	Say func(string)
}

// observerHost asks the network for the VIPs and has no other part in anything.
const observerHost = "watch"

// BedOptions are the options of a bed for a storm; the caller adds BinDir,
// Work, Template.
func BedOptions(profile string) lab.Options {
	return lab.Options{
		Hosts:   Hosts(),
		Profile: profile, AutoSetOnline: 2 * time.Second,
		Disks: true, Cgroups: true,
		WriterVIPs: []netip.Addr{writerVIP}, ReaderVIPs: readerVIPs,
	}
}

// Hosts are the machines of the bed: the default ones and an observer.
func Hosts() []lab.Host {
	return append(lab.DefaultHosts(), lab.Host{Name: observerHost, Address: netip.MustParseAddr("192.0.2.20")})
}

var (
	writerVIP  = netip.MustParseAddr("192.0.2.113")
	readerVIPs = []netip.Addr{
		netip.MustParseAddr("192.0.2.111"), netip.MustParseAddr("192.0.2.112"),
		netip.MustParseAddr("192.0.2.114"), netip.MustParseAddr("192.0.2.115"),
	}
	allVIPs = slices.Concat([]netip.Addr{writerVIP}, readerVIPs)
)

// TTL is that of the lease in a timing profile.
func TTL(profile string) time.Duration {
	if profile == "lan" {
		return 2 * time.Second
	}
	return time.Second
}

const (
	// minRate is what an undisturbed cluster exceeds many times on a slow machine.
	minRate = 25
	// steady is how long clients go on undisturbed before the first strike, and
	// after the last one.
	steady = 2 * time.Second
	// patience bounds the wait until the cluster is whole after a strike. It is
	// many times what a loaded machine needs.
	patience = 75 * time.Second
	// bitesWithin bounds the wait until a fault is seen to bite, endsWithin until
	// it is seen to be over.
	bitesWithin = 5 * time.Second
	endsWithin  = 40 * time.Second
	callTime    = 2 * time.Second // one look at etcd or at a server
)
