package conffile

import (
	"net/url"
	"strings"

	"github.com/mmm-ha/mmm/internal/certs"
)

// Etcd says where etcd is, nearest member first.
type Etcd struct {
	Endpoints []string `yaml:"endpoints"`
	Insecure  bool     `yaml:"insecure"` // plain http beyond this host
	CA        string   `yaml:"ca"`
	Cert      string   `yaml:"cert"`
	Key       string   `yaml:"key"`
}

// Check refuses an endpoint that would send passwords and fences over the
// network in the clear without anybody having said so.
func (c Etcd) Check(m Mistakes) {
	if len(c.Endpoints) == 0 {
		m.Add("endpoints", "is empty: list the etcd members, nearest first")
	}
	for _, endpoint := range c.Endpoints {
		u, err := url.Parse(endpoint)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			m.Add("endpoints", "has %q: write http://ADDRESS:2379 or https://ADDRESS:2379", endpoint)
			continue
		}
		local := u.Hostname() == "localhost" || strings.HasPrefix(u.Hostname(), "127.") || u.Hostname() == "::1"
		switch {
		case u.Scheme == "http" && c.files().Given():
			m.Add("endpoints", "has %q, plain http, for which certificates are no use: write https, or leave out `ca`, `cert` and `key`", endpoint)
		case u.Scheme == "http" && !local && !c.Insecure:
			m.Add("endpoints", "has %q, plain http to another host: use https with `ca`, `cert` and `key`, or say `insecure: true` if the network is trusted", endpoint)
		}
	}
}

// Certs are what this host shows to etcd, and whom it believes there.
func (c Etcd) Certs() (*certs.Certs, error) { return certs.Open(c.files()) }

func (c Etcd) files() certs.Files {
	return certs.Files{CA: c.CA, Cert: c.Cert, Key: c.Key, Names: certs.Names{CA: "`etcd.ca`", Cert: "`etcd.cert`", Key: "`etcd.key`"}}
}
