package auth

import (
	"encoding/json"
	"fmt"
)

// privileges is what a server says of an account, in the form of MariaDB's
// mysql.global_priv. MySQL's is brought into the same form by the query.
type privileges struct {
	Plugin  string    `json:"plugin"`
	Stored  string    `json:"authentication_string"`
	Or      []orEntry `json:"auth_or"`
	Role    bool      `json:"is_role"`
	Locked  bool      `json:"account_locked"`
	Changed *int64    `json:"password_last_changed"`
	TLS     int       `json:"ssl_type"`
}

// orEntry is one way of several. An empty one stands for the plugin outside.
type orEntry struct {
	Plugin *string `json:"plugin"`
	Stored string  `json:"authentication_string"`
}

// ParseAccount reads one row of a server's table of accounts: the columns User
// and Host, and the privileges in JSON. It is false for a row that is no user's:
// a role. A plugin or a stored form that is not known here makes an account that
// only a server can judge, and no error.
func ParseAccount(user, host, text string) (Account, bool, error) {
	var p privileges
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return Account{}, false, fmt.Errorf("read the account '%s'@'%s': %w", user, host, err)
	}
	if p.Role {
		return Account{}, false, nil
	}
	pattern, err := ParseHostPattern(host)
	if err != nil {
		// It is no pattern for the server either, so it lets nobody in.
		pattern = HostPattern{text: host, kind: kindName}
	}
	one := Account{User: user, Host: pattern, Need: needOf(p.TLS), Closed: p.Locked || p.expired()}
	if len(p.Or) == 0 {
		p.Or = []orEntry{{}}
	}
	for _, way := range p.Or {
		if way.Plugin == nil {
			way.Plugin, way.Stored = &p.Plugin, p.Stored
		}
		one.Methods = append(one.Methods, storedMethod(*way.Plugin, way.Stored))
	}
	return one, true, nil
}

// expired is what ALTER USER ... PASSWORD EXPIRE leaves. A password that grows
// too old is the server's matter, at the next login.
func (p privileges) expired() bool { return p.Changed != nil && *p.Changed == 0 }

func needOf(ssl int) Need {
	switch {
	case ssl <= 0: // none, or not said
		return NeedNothing
	case ssl == 1:
		return NeedTLS
	default: // a certificate, maybe a certain one
		return NeedCertificate
	}
}

// storedMethod is a way in by what a server stores.
func storedMethod(plugin, stored string) Method {
	var m Method
	var err error
	switch plugin {
	case Native, "":
		if stored == "" {
			return Method{kind: byNothing}
		}
		m.kind = byDouble
		m.double, err = parseDouble(stored)
	case "ed25519":
		m.kind = byKey
		m.public, err = parsePublicKey(stored)
	case CachingSHA2:
		if stored == "" {
			return Method{kind: byNothing}
		}
		m.kind = byCrypt
		m.crypt, err = parseCrypt(stored)
	default:
		return Method{kind: byOther}
	}
	if err != nil {
		return Method{kind: byOther} // as "invalid", by which nobody can log in
	}
	return m
}
