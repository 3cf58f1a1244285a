package router

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/mmm-ha/mmm/internal/certs"
	"github.com/mmm-ha/mmm/internal/conffile"
)

// Certs are what is shown to servers, and who signed theirs.
func (b BackendTLS) Certs() certs.Files {
	return certs.Files{CA: b.CA, Cert: b.Cert, Key: b.Key, Names: certs.Names{CA: "`backend.ca`", Cert: "`backend.cert`", Key: "`backend.key`"}}
}

// Certs are what is shown to agents, and who signed theirs.
func (p Peer) Certs() certs.Files {
	return certs.Files{CA: p.CA, Cert: p.Cert, Key: p.Key, Names: certs.Names{CA: "`peer.ca`", Cert: "`peer.cert`", Key: "`peer.key`"}}
}

// contents says what is wrong with files that are there. Those that are not were
// named by check.
func (c Config) contents(m conffile.Mistakes) {
	read := func(field string, f certs.Files, read func() error) {
		if (f.Cert == "") != (f.Key == "") || !there(f.CA, f.Cert, f.Key) {
			return
		}
		if err := read(); err != nil {
			m.Add(field, "names what cannot be used: %v", err)
		}
	}
	open := func(f certs.Files) func() error {
		return func() error { _, err := certs.Open(f); return err }
	}
	read("tls", certs.Files{CA: c.TLS.CA, Cert: c.TLS.Cert, Key: c.TLS.Key}, func() error { _, err := c.TLS.load(); return err })
	read("etcd", certs.Files{CA: c.Etcd.CA, Cert: c.Etcd.Cert, Key: c.Etcd.Key}, func() error { _, err := c.Etcd.Certs(); return err })
	read("backend", c.Backend.Certs(), open(c.Backend.Certs()))
	read("peer", c.Peer.Certs(), open(c.Peer.Certs()))
	if there(c.Users.PasswordFile) {
		if _, err := conffile.Password("it", c.Users.PasswordFile); err != nil {
			m.Add("users.passwordFile", "cannot be used: %v", err)
		}
	}
}

// there reports whether all files that are named exist.
func there(paths ...string) bool {
	return !slices.ContainsFunc(paths, func(path string) bool {
		_, err := os.Stat(path)
		return path != "" && err != nil
	})
}

// maxWaiting bounds the queues: more than this is a mistake in the file, and
// would be an attack on the memory.
const maxWaiting = 1_000_000

// mostThreads is more than any machine has processors for.
const mostThreads = 1024

// What limits.statement may be. A login must fit, and no server takes more.
const (
	leastStatement = conffile.MiB
	mostStatement  = conffile.GiB
)

// validate says everything that is wrong, not just the first of it.
func (c Config) validate() error {
	m := conffile.NewMistakes()
	c.check(m)
	return m.Err()
}

func (c Config) check(m conffile.Mistakes) {
	if c.Cluster == "" || strings.Contains(c.Cluster, "/") {
		m.Add("cluster", "is missing or has a slash: write the cluster's name, such as `cluster: shop`")
	}
	if c.Name == "" || strings.Contains(c.Name, "/") {
		m.Add("name", "is missing or has a slash: write what this router is called among the routers, such as `name: router1`")
	}
	c.Etcd.Check(m.Of("etcd"))
	c.checkListeners(m)
	if _, err := netip.ParseAddrPort(c.Admin); err != nil {
		m.Add("admin", "is %q: write ADDRESS:PORT, such as 127.0.0.1:9990", c.Admin)
	}
	c.checkTLS(m)
	c.Users.check(m.Of("users"))
	c.Limits.check(m.Of("limits"))
	c.checkRest(m)
}

func (c Config) checkListeners(m conffile.Mistakes) {
	if len(c.Listeners) == 0 {
		m.Add("listeners", "is empty: leave it out for the usual three, or list at least one, such as `- {address: 0.0.0.0:3306, mode: split}`")
	}
	taken := map[string]string{c.Admin: "`admin`"}
	for i, l := range c.Listeners {
		at := fmt.Sprintf("listeners[%d]", i)
		if _, err := netip.ParseAddrPort(l.Address); err != nil {
			m.Add(at+".address", "is %q: write ADDRESS:PORT, such as 0.0.0.0:3306 or [::]:3306", l.Address)
		} else if other, twice := taken[l.Address]; twice {
			m.Add(at+".address", "is %s, which %s uses already: give each its own port", l.Address, other)
		}
		taken[l.Address] = "`" + at + "`"
		oneOf(m, at+".mode", l.Mode, Split, WriterOnly, ReaderOnly)
		oneOf(m, at+".tls", l.TLS, TLSOff, TLSOffer, TLSRequire)
		if l.TLS != TLSOff && c.TLS.Cert == "" {
			m.Add(at+".tls", "is %s, but there is no certificate: give `tls: {cert: FILE, key: FILE}`", l.TLS)
		}
		for _, p := range l.ProxyProtocol {
			if p != p.Masked() {
				m.Add(at+".proxyProtocol", "has %s, which is an address and not a network: write %s, or %s/%d", p, p.Masked(), p.Addr(), p.Addr().BitLen())
			}
		}
	}
}

func (c Config) checkTLS(m conffile.Mistakes) {
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		m.Add("tls", "needs both `cert` and `key`, or neither of them")
	}
	oneOf(m, "tls.minVersion", c.TLS.MinVersion, "1.2", "1.3")
	oneOf(m, "backend.tls", c.Backend.TLS, BackendOff, BackendPrefer, BackendRequire, BackendVerify)
	if (c.Backend.Cert == "") != (c.Backend.Key == "") {
		m.Add("backend", "needs both `cert` and `key`, or neither of them")
	}
	if given := c.Peer != (Peer{}); given && (c.Peer.CA == "" || c.Peer.Cert == "" || c.Peer.Key == "") {
		m.Add("peer", "needs all of `ca`, `cert` and `key`, or none of them")
	}
	if c.Backend.TLS == BackendVerify && c.Backend.CA == "" {
		m.Add("backend.tls", "is verify, but nobody says who signed the servers' certificates: give `ca: FILE`")
	}
	files := []struct{ field, path string }{
		{"tls.cert", c.TLS.Cert}, {"tls.key", c.TLS.Key}, {"tls.ca", c.TLS.CA},
		{"backend.ca", c.Backend.CA}, {"backend.cert", c.Backend.Cert}, {"backend.key", c.Backend.Key},
		{"peer.ca", c.Peer.CA}, {"peer.cert", c.Peer.Cert}, {"peer.key", c.Peer.Key},
		{"etcd.ca", c.Etcd.CA}, {"etcd.cert", c.Etcd.Cert}, {"etcd.key", c.Etcd.Key},
		{"users.file", c.Users.File}, {"users.passwordFile", c.Users.PasswordFile},
	}
	for _, f := range files {
		if f.path == "" {
			continue
		}
		if _, err := os.Stat(f.path); err != nil {
			m.Add(f.field, "cannot be used (%v): put the file there, or correct the path", err)
		}
	}
}

func (u Users) check(m conffile.Mistakes) {
	if u.File == "" && u.Account == "" {
		m.Add("account", "is empty, and there is no `file`: say with which account the router reads the users of the servers (mmmrouter grants prints its SQL), or list users in a file")
	}
}

func (l Limits) check(m conffile.Mistakes) {
	between(m, "connections", l.Connections, 1, maxWaiting)
	between(m, "perUser", l.PerUser, 0, maxWaiting)
	between(m, "queue", l.Queue, 0, maxWaiting)
	if l.PerUser > l.Connections {
		m.Add("perUser", "is %d, more than `connections` (%d): lower it, or leave it out", l.PerUser, l.Connections)
	}
	if l.Queue > 0 && l.QueueTime == 0 {
		m.Add("queueTime", "is 0, so nobody waits in a queue of %d: write how long, such as 10s, or `queue: 0`", l.Queue)
	}
	if l.Statement < leastStatement || l.Statement > mostStatement {
		m.Add("statement", "is %s: write a size from %s to %s, such as the max_allowed_packet of the servers", l.Statement, leastStatement, mostStatement)
	}
	if l.LoginTime == 0 {
		m.Add("loginTime", "is 0, so whoever connects and says nothing would stay for ever: write how long, such as 10s")
	}
}

func (c Config) checkRest(m conffile.Mistakes) {
	between(m, "hold.statements", c.Hold.Statements, 0, maxWaiting)
	if c.Hold.Statements > 0 && c.Hold.Bytes == 0 {
		m.Add("hold.bytes", "is 0, so no statement can be held: write how much, such as 64MiB, or `statements: 0`")
	}
	if c.Readers.MaxLag == 0 {
		m.Add("readers.maxLag", "is 0, so no reader would ever be good enough: write how far behind one may be, such as 5s")
	}
	oneOf(m, "readers.writer", c.Readers.Writer, WriterNever, WriterFallback, WriterAlways)
	oneOf(m, "consistency", c.Consistency, ConsistencyOff, ConsistencySession, ConsistencyGlobal)
	between(m, "digests", c.Digests, 0, maxWaiting)
	between(m, "threads", c.Threads, 0, mostThreads)
	if c.Drain.Time == 0 {
		m.Add("drain.time", "is 0, so every transaction would be cut: write how long they have, such as 25s")
	}
}

func oneOf[T ~string](m conffile.Mistakes, field string, got T, allowed ...T) {
	if slices.Contains(allowed, got) {
		return
	}
	words := make([]string, len(allowed))
	for i, a := range allowed {
		words[i] = string(a)
	}
	last := len(words) - 1
	m.Add(field, "is %q: write %s or %s", string(got), strings.Join(words[:last], ", "), words[last])
}

func between(m conffile.Mistakes, field string, got, least, most int) {
	if got < least || got > most {
		m.Add(field, "is %d: write a number from %d to %d", got, least, most)
	}
}
