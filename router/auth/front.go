package auth

import (
	"net/netip"
	"slices"
)

// Client is who wants to log in, as far as the router sees it.
type Client struct {
	User        string
	Address     netip.Addr // its own, from the PROXY protocol where that is allowed; not valid: a unix socket
	TLS         bool
	Certificate bool // it showed a certificate that the router's CA signed
	Plugins     bool // it has CLIENT_PLUGIN_AUTH, so it can be asked for another plugin
}

// Front judges a client's answer to the router's greeting. It is used for one
// login and by one goroutine.
//
//	f := auth.NewFront(loader.Now(), salt, keys)
//	v := f.Start(client, plugin, answer)     // from its handshake response
//	switch v.Do {
//	case auth.Accept:                        // send v.Send if there is any, then OK
//	case auth.PassOn:                        // log in at a server by f.Relay
//	case auth.Refuse:                        // send v.Send, an ERR, and close
//	}
//
// Nothing but the greeting has been sent before the verdict, so that a client
// learns nothing of the account, and may still be asked for another plugin: many
// clients take a single AuthSwitchRequest.
type Front struct {
	accounts *Accounts
	salt     []byte
	keys     *KeyPair
	client   Client
	answered bool   // not with nothing
	bar      string // why the client must not come in although a server may let it; "": it may
}

// Do is what a verdict asks for.
type Do uint8

// What Front can say.
const (
	Accept Do = iota + 1 // the client is who it says; log in as it by Verdict.Secret
	PassOn               // a server must judge: Front.Relay
	Refuse               // no server can help; Verdict.Send says why
)

// String is the verdict in a word.
func (d Do) String() string {
	switch d {
	case Accept:
		return "accept"
	case PassOn:
		return "pass on"
	case Refuse:
		return "refuse"
	default:
		return "unknown"
	}
}

// Verdict is what Front says to an answer.
type Verdict struct {
	Do     Do
	Send   []byte // payload for the client: before the OK when accepted (nil: none), the ERR when refused
	Secret Secret // when accepted
	// Stale asks to Kick the Loader: what is known of the account may be old,
	// since it is not known or the proof was wrong.
	Stale bool
	Why   string // in English, for the log and the trace; never for the client
}

// NewFront takes what is known now, the salt that the greeting had (NewSalt), and
// the router's key (nil: clients without TLS cannot send a password encrypted).
func NewFront(accounts *Accounts, salt []byte, keys *KeyPair) *Front {
	return &Front{accounts: accounts, salt: salt, keys: keys}
}

// Start judges the answer in a client's handshake response. plugin is the one
// that it names, "" for a client that names none, which means Native.
func (f *Front) Start(c Client, plugin string, answer []byte) Verdict {
	f.client, f.answered = c, len(answer) > 0
	if plugin == "" {
		plugin = Native
	}
	if plugin == OldPassword {
		return Verdict{Do: Refuse, Why: "the client knows only passwords of before MySQL 4.1", Send: refusal(errNotSupported, stateUnsupported,
			"Client does not support authentication protocol requested by server; consider upgrading MySQL client")}
	}
	one, known := f.accounts.find(c.User, c.Address)
	held := one
	if held == nil {
		held = &nobody // it takes as long to look at the answer of somebody unknown
	}
	secret, ok := Secret{}, false
	if held.judges(plugin) {
		secret, ok = held.prove(plugin, f.salt, answer)
	}
	switch {
	case !known:
		return f.passOn("the user is not known here", true)
	case one == nil:
		f.bar = "no account of the user is for the client's address"
		return f.passOn(f.bar, true)
	case !one.Need.met(c):
		f.bar = "the account asks for " + one.Need.String() + " of the connection"
		return f.passOn(f.bar, false)
	case f.accounts.anonymousBefore(one, c.Address):
		return f.passOn("an anonymous account is more specific for the client's address", false)
	case one.Closed:
		return f.passOn("the account is locked or its password has expired", false)
	case !one.judges(plugin):
		return f.passOn("an answer by "+plugin+" cannot be judged here", false)
	case ok && !secret.None():
		return f.accept(plugin, secret)
	case len(answer) == 0:
		return f.passOn("the client waits to be asked", false)
	default:
		return f.passOn("the answer is no proof by "+plugin, true)
	}
}

// nobody has a password that no answer proves.
var nobody = Account{Methods: []Method{{kind: byDouble}}}

// Change is Start for a COM_CHANGE_USER whose answer Start did not accept by the
// greeting's salt: a server judges, with a salt of its own.
func (f *Front) Change(c Client) Verdict { return f.Start(c, RelayPlugin, nil) }

func (f *Front) accept(plugin string, secret Secret) Verdict {
	v := Verdict{Do: Accept, Secret: secret, Why: "proven by " + plugin}
	if plugin == CachingSHA2 && !secret.known.empty {
		v.Send = more(fastDone)
	}
	return v
}

func (f *Front) passOn(why string, stale bool) Verdict {
	if !f.client.Plugins {
		return Verdict{Do: Refuse, Send: denied(f.client, f.answered), Stale: stale, Why: why + "; the client cannot be asked for another plugin"}
	}
	return Verdict{Do: PassOn, Stale: stale, Why: why}
}

// judges tells whether Front can hold answers of that plugin against the account.
// What takes milliseconds (ClearPassword against a hash) it leaves to servers: the
// time would tell who is known.
func (one *Account) judges(plugin string) bool {
	return slices.ContainsFunc(one.Methods, func(m Method) bool {
		switch plugin {
		case Native:
			return m.kind == byNothing || m.kind == byDouble || m.kind == byPassword
		case CachingSHA2:
			return m.kind == byNothing || m.kind == byPassword
		default:
			return false
		}
	})
}
