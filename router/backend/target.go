package backend

import (
	"crypto/rsa"
	"crypto/tls"
	"net/netip"

	"github.com/mmm-ha/mmm/router/wire"
)

// Target is a server, as etcd names it.
type Target struct {
	Name    string
	Address netip.AddrPort
	Epoch   int64 // of the reign in which it is the writer; 0: it is asked to read only
}

// TLSMode says how far a connection to a server must be secret.
type TLSMode string

// The modes.
const (
	TLSOff     TLSMode = "off"
	TLSPrefer  TLSMode = "prefer"  // if the server can; nobody is verified
	TLSRequire TLSMode = "require" // nobody is verified
	TLSVerify  TLSMode = "verify"  // and the server's certificate is checked
)

// TLS is how servers are spoken to. Config is needed unless Mode is off.
type TLS struct {
	Mode      TLSMode
	Config    *tls.Config
	ServerKey *rsa.PublicKey // for passwords without TLS; nil: asked for where it is needed
}

// Who is the client for whom the connection is.
type Who struct {
	User         string
	Schema       string
	Capabilities wire.Capability // that it has agreed on with the router
	Charset      byte
	Attributes   []byte // as the client sent them
}
