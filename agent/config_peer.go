package agent

import (
	"errors"

	"github.com/mmm-ha/mmm/internal/certs"
)

// peerPort is where agents answer each other, unless their files say otherwise.
const peerPort = 9989

// PeerConfig says how this host and others talk while etcd is away. Messages are
// signed in any case; with certificates both sides show theirs besides.
type PeerConfig struct {
	Port uint16 `yaml:"port"`
	CA   string `yaml:"ca"`   // who signed the certificates of all hosts
	Cert string `yaml:"cert"` // of this host, with its address in it
	Key  string `yaml:"key"`
}

// certs are what this host shows to others; nil: nothing, it talks in the clear.
func (c PeerConfig) certs() (*certs.Certs, error) {
	files := certs.Files{CA: c.CA, Cert: c.Cert, Key: c.Key, Names: certs.Names{CA: "`peer.ca`", Cert: "`peer.cert`", Key: "`peer.key`"}}
	switch {
	case !files.Given():
		return nil, nil
	case c.CA == "" || c.Cert == "" || c.Key == "":
		return nil, errors.New("`peer` needs all of `ca`, `cert` and `key`, or none of them")
	}
	return certs.Open(files)
}
