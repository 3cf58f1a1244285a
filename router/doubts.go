package router

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Doubts are what is no mistake in a file and may yet surprise somebody, a sentence
// each, with what to do.
func (c Config) Doubts(now time.Time) []string {
	var all []string
	if conf, err := c.TLS.load(); err == nil && conf != nil {
		if doubt := lifeOf(leafOf(conf).NotAfter, now); doubt != "" {
			all = append(all, doubt)
		}
	}
	if c.Users.File == "" && c.Users.PasswordFile == "" {
		all = append(all, NobodyIsKnown)
	}
	return all
}

// soon is when somebody must renew a certificate.
const soon = 14 * 24 * time.Hour

// lifeOf says that a certificate ends, or has ended; empty: not soon.
func lifeOf(end, now time.Time) string {
	const renew = "put a new one where `tls.cert` and `tls.key` say; it is found within seconds"
	left := end.Sub(now)
	switch {
	case left <= 0:
		return fmt.Sprintf("the certificate that clients are shown has expired at %s, and whoever verifies it does not connect: %s", end.UTC().Format(time.DateTime), renew)
	case left < soon:
		return fmt.Sprintf("the certificate that clients are shown expires in %s: %s", left.Round(time.Hour), renew)
	default:
		return ""
	}
}

// fewFiles says that a process may open fewer files than its limits let clients take;
// empty: enough.
func (l Limits) fewFiles(may uint64) string {
	const own = 300 // etcd, pages, logs, and connections that the pool keeps
	need := 4*uint64(max(l.Connections, 0)) + uint64(max(l.Queue, 0)) + own
	if may >= need {
		return ""
	}
	return fmt.Sprintf("this process may open %d files, and limits.connections and limits.queue may take %d (each client has one connection, and up to two to servers): "+
		"raise LimitNOFILE of the unit, or lower them", may, need)
}

// mayOpen is how many files this process may open.
func mayOpen() uint64 {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return unix.RLIM_INFINITY // it is not known that they are few
	}
	return l.Cur
}
