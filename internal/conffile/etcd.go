package conffile

import (
	"net/url"
	"strings"
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
		if u.Scheme == "http" && !local && !c.Insecure {
			m.Add("endpoints", "has %q, plain http to another host: use https with `ca`, `cert` and `key`, or say `insecure: true` if the network is trusted", endpoint)
		}
	}
	if (c.Cert == "") != (c.Key == "") {
		m.Add("cert", "and `key` belong together: give both, or neither")
	}
}
