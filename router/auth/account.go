package auth

import (
	"cmp"
	"net/netip"
	"slices"
)

// Account is one user at one host, as a server or the file of users has it.
type Account struct {
	User    string
	Host    HostPattern
	Methods []Method // any one of them is enough; none: nobody can be proven here
	Need    Need     // of the client's connection to the router
	Closed  bool     // locked or expired: only a server can say what that means
	Limits  Limits
}

// Method is one way to prove that one is the user.
type Method struct {
	kind     methodKind
	password string // of byPassword
	double   double // of byDouble
	public   publicKey
	crypt    cryptHash
}

type methodKind uint8

const (
	byOther    methodKind = iota + 1 // a plugin of which nothing is known here
	byNothing                        // the account has no password
	byPassword                       // the password itself is known
	byDouble                         // mysql_native_password's hash
	byKey                            // ed25519's public key
	byCrypt                          // caching_sha2_password's hash
)

// Need is what an account asks of the connection, as REQUIRE does. The client's
// connection to the router is looked at; the server looks at the router's. So
// REQUIRE SSL needs TLS on both, and what asks for a certificate of the client is
// refused by the server unless the router shows one that it takes.
type Need uint8

// What an account may ask for. NeedNothing is the zero value, as in servers.
const (
	NeedNothing     Need = iota
	NeedTLS              // REQUIRE SSL
	NeedCertificate      // REQUIRE X509, SUBJECT, ISSUER, CIPHER
)

// String is the need as the file of users has it.
func (n Need) String() string {
	switch n {
	case NeedNothing:
		return "nothing"
	case NeedTLS:
		return "tls"
	case NeedCertificate:
		return "x509"
	default:
		return "unknown"
	}
}

func (n Need) met(c Client) bool {
	switch n {
	case NeedNothing:
		return true
	case NeedTLS:
		return c.TLS
	case NeedCertificate:
		return c.TLS && c.Certificate
	default:
		return false
	}
}

// Limits are a user's own, from the file of users. Zero is no limit.
type Limits struct {
	MaxConnections int
}

// Accounts are all that the router knows at one time. They never change; the
// next ones take their place. A nil *Accounts knows nobody.
type Accounts struct {
	byUser map[string][]Account // the most specific host first
}

// NewAccounts puts both sources together. A user in the file of users is what
// the file says, with no account of the servers beside it.
func NewAccounts(file, servers []Account) *Accounts {
	a := &Accounts{byUser: map[string][]Account{}}
	for _, one := range file {
		a.byUser[one.User] = append(a.byUser[one.User], one)
	}
	filed := make(map[string]bool, len(a.byUser))
	for user := range a.byUser {
		filed[user] = true
	}
	for _, one := range servers {
		if !filed[one.User] {
			a.byUser[one.User] = append(a.byUser[one.User], one)
		}
	}
	for _, list := range a.byUser {
		slices.SortStableFunc(list, func(x, y Account) int { return cmp.Compare(y.Host.rank(), x.Host.rank()) })
	}
	return a
}

// Users says how many users are known.
func (a *Accounts) Users() int {
	if a == nil {
		return 0
	}
	return len(a.byUser)
}

// Limits are those of a client's account, none if it is not known.
func (a *Accounts) Limits(user string, address netip.Addr) Limits {
	if one, _ := a.find(user, address); one != nil {
		return one.Limits
	}
	return Limits{}
}

// find gives the account that counts for a client, nil if there is none; known
// tells whether there is the user at all.
func (a *Accounts) find(user string, address netip.Addr) (one *Account, known bool) {
	list := a.of(user)
	for i := range list {
		if list[i].Host.Matches(address) {
			return &list[i], true
		}
	}
	return nil, len(list) > 0
}

func (a *Accounts) of(user string) []Account {
	if a == nil {
		return nil
	}
	return a.byUser[user]
}

// anonymousBefore tells whether a server would take the client for nobody, as an
// account without a name has a more specific host.
func (a *Accounts) anonymousBefore(one *Account, address netip.Addr) bool {
	nobody, _ := a.find("", address)
	return nobody != nil && nobody.Host.rank() > one.Host.rank()
}

// prove tries all methods of an account on an answer.
func (one *Account) prove(plugin string, salt, answer []byte) (Secret, bool) {
	for _, m := range one.Methods {
		if s, ok := m.prove(plugin, salt, answer); ok {
			return s, true
		}
	}
	return Secret{}, false
}

// prove tells whether the answer of that plugin to that salt is by somebody who
// may use this method, and what is learned from it: maybe None.
func (m Method) prove(plugin string, salt, answer []byte) (Secret, bool) {
	if m.kind == byNothing {
		return ClearSecret(""), len(answer) == 0
	}
	if len(answer) == 0 {
		return Secret{}, false
	}
	switch plugin {
	case Native:
		return m.proveNative(salt, answer)
	case CachingSHA2:
		if m.kind == byPassword && same(answer, answerSHA2(m.password, salt)) {
			return ClearSecret(m.password), true
		}
	case Ed25519:
		return m.proveKey(salt, answer)
	case ClearPassword:
		if password, ok := terminated(answer); ok && m.isPassword(password) {
			return ClearSecret(password), true
		}
	}
	return Secret{}, false
}

func (m Method) proveNative(salt, answer []byte) (Secret, bool) {
	switch m.kind {
	case byDouble:
		return m.double.prove(salt, answer)
	case byPassword:
		if _, ok := doubleOf(m.password).prove(salt, answer); ok {
			return ClearSecret(m.password), true
		}
	default: // proves nothing by this plugin
	}
	return Secret{}, false
}

func (m Method) proveKey(salt, answer []byte) (Secret, bool) {
	switch m.kind {
	case byKey:
		return Secret{}, m.public.verify(salt, answer)
	case byPassword:
		if newSigner(m.password).public.verify(salt, answer) {
			return ClearSecret(m.password), true
		}
	default: // proves nothing by this plugin
	}
	return Secret{}, false
}

// isPassword tells whether that is the password, however it is stored.
func (m Method) isPassword(password string) bool {
	switch m.kind {
	case byPassword:
		return same([]byte(m.password), []byte(password))
	case byDouble:
		d := doubleOf(password)
		return same(m.double[:], d[:])
	case byKey:
		public := newSigner(password).public
		return same(m.public[:], public[:])
	case byCrypt:
		return m.crypt.isOf(password)
	default:
		return false
	}
}
