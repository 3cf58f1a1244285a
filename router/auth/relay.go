package auth

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
)

// Side is one of the two that a relay is between.
type Side uint8

// The two sides.
const (
	FromClient Side = iota + 1
	FromServer
)

// String is the side in a word.
func (s Side) String() string {
	switch s {
	case FromClient:
		return "client"
	case FromServer:
		return "server"
	default:
		return "nobody"
	}
}

// Move is what to do after a payload.
type Move struct {
	To      Side   // whom to send Payload to; 0: nobody
	Payload []byte // may be empty, and is a packet nevertheless
	Next    Side   // whose payload comes next, unless Done
	Done    bool   // Payload is the OK or ERR that ends the client's login
	OK      bool   // with Done: the client is in
	Why     string // with Done, in English, for the log; never for the client
}

// Relay passes a client's login on to a server: the client gets the server's
// question, the server the client's answer, and the client the server's word. It
// is used for one login and by one goroutine.
//
// The caller dials a server (the writer: the session may have no other
// connection), sends it a handshake response with the client's user and
// capabilities, RelayPlugin and an empty answer, and then moves payloads:
//
//	r := f.Relay(channel)
//	for from := auth.FromServer; ; from = m.Next {
//		m = r.Step(from, payload read from that side)
//		// send m.Payload to m.To, if any; stop if m.Done
//	}
//	secret, why := r.Recover(loader.Now())
//
// The server is reached by TCP and not by its unix socket, where plugins exist
// that look at whose process it is: the router's. An OK before the client was
// asked anything is no proof, and is not passed on.
type Relay struct {
	client   Client
	accounts *Accounts
	keys     *KeyPair
	channel  Channel
	bar      string

	plugin   string // that the server asked for last
	salt     []byte
	answer   []byte // the client's first to that
	answered bool
	password string // seen on its way
	seen     bool   // password is known
	steps    int
	stage    stage
	held     []byte // the server's OK, while the client says its password
	done     bool
	ok       bool
}

// stage is what a full login by caching_sha2_password waits for.
type stage uint8

const (
	plain      stage = iota // nothing of that kind
	ownKey                  // the client has our key; it sends its password encrypted
	password                // the client sends its password, by TLS or encrypted
	theirKey                // the server sends its key; we have the password
	passedKey               // the server sends its key, which is the client's matter
	fast                    // the server has accepted the scramble; its OK comes
	confirming              // ... and has come; the client sends its password by TLS
)

// relaySteps is more than any plugin takes, and ends a talk without end.
const relaySteps = 100

// Relay begins to pass the login on that Start was called with.
func (f *Front) Relay(channel Channel) *Relay {
	return &Relay{client: f.client, accounts: f.accounts, keys: f.keys, channel: channel, bar: f.bar}
}

// Step takes the next payload of a side.
func (r *Relay) Step(from Side, payload []byte) Move {
	r.steps++
	switch {
	case r.done:
		return Move{Done: true, Why: "the login has ended"}
	case r.steps > relaySteps:
		return r.refuse("the login takes no end")
	case from == FromClient:
		return r.fromClient(payload)
	case from == FromServer && len(payload) > 0:
		return r.fromServer(payload)
	default:
		return r.refuse("an empty packet of the server")
	}
}

func (r *Relay) fromServer(payload []byte) Move {
	switch payload[0] {
	case headERR:
		return r.end(payload, false, "the server refuses: "+parseError(payload).Error())
	case headOK:
		return r.serverOK(payload)
	case headSwitch:
		return r.switched(payload)
	case headMore:
		if r.plugin == CachingSHA2 {
			return r.moreSHA2(payload)
		}
	default: // what a plugin says, as a question of PAM
	}
	if !r.answered {
		return r.refuse(fmt.Sprintf("the server began with 0x%02x", payload[0]))
	}
	return Move{To: FromClient, Payload: payload, Next: FromClient}
}

func (r *Relay) switched(payload []byte) Move {
	if len(payload) == 1 {
		return r.refuse("the server asks for " + OldPassword + ", which is not safe")
	}
	plugin, salt, ok := parseSwitch(payload)
	switch {
	case !ok:
		return r.refuse("a request for another plugin that has no end")
	case (plugin == ClearPassword || plugin == dialog) && !(r.client.TLS && r.channel.TLS):
		return r.unsafe(plugin)
	case plugin == SHA256 && r.client.TLS != r.channel.TLS:
		return r.unsafe(plugin)
	}
	r.plugin, r.salt, r.stage = plugin, salt, plain
	r.answer, r.answered, r.password, r.seen = nil, false, "", false
	return Move{To: FromClient, Payload: payload, Next: FromClient}
}

func (r *Relay) fromClient(payload []byte) Move {
	switch {
	case r.plugin == "":
		return r.refuse("the client spoke before it was asked")
	case r.stage != plain:
		return r.passwordFrom(payload)
	case !r.answered:
		payload = wellFormed(r.plugin, payload)
		r.answered, r.answer = true, append([]byte{}, payload...)
		if r.plugin == ClearPassword || r.plugin == SHA256 && r.client.TLS {
			r.password, r.seen = terminated(payload)
		}
	}
	return r.toServer(payload)
}

// answerLengths are those of the plugins whose answers have one. Servers take another
// for a client that is broken, and count it against the host of the router: after
// max_connect_errors of them they refuse everybody who comes from there.
var answerLengths = map[string]int{Native: 20, CachingSHA2: 32, Ed25519: 64}

// wellFormed is an answer, or in place of one that is none, a wrong one.
func wellFormed(plugin string, answer []byte) []byte {
	n, fixed := answerLengths[plugin]
	if !fixed || len(answer) == 0 || len(answer) == n || plugin == CachingSHA2 && len(answer) == 1 {
		return answer
	}
	wrong := make([]byte, n)
	_, _ = rand.Read(wrong) // never fails, says its documentation
	return wrong
}

// toServer sends on what the client says, or what is wrong in its place if the
// server must not let it in.
func (r *Relay) toServer(payload []byte) Move {
	if r.bar != "" && len(payload) > 0 {
		wrong := make([]byte, len(payload))
		_, _ = rand.Read(wrong) // never fails, says its documentation
		payload = wrong
	}
	return Move{To: FromServer, Payload: payload, Next: FromServer}
}

// serverOK is the server's word that the client may come in.
func (r *Relay) serverOK(payload []byte) Move {
	switch {
	case r.bar != "":
		return r.refuse(r.bar)
	case !r.answered:
		return r.refuse("the server let somebody in whom it had not asked anything")
	case r.provesAnother():
		return r.refuse("the proof is one for an account that is not for the client's address")
	case r.stage == fast && r.client.TLS:
		r.held, r.stage = append([]byte{}, payload...), confirming
		return Move{To: FromClient, Payload: more(fullNeeded), Next: FromClient}
	default:
		return r.end(payload, true, "the server accepts")
	}
}

// provesAnother tells whether the answer proves an account of the same user whose
// host is not the client's, and none whose host is.
func (r *Relay) provesAnother() bool {
	another := false
	for _, one := range r.accounts.of(r.client.User) {
		if _, ok := one.prove(r.plugin, r.salt, r.answer); ok {
			if one.Host.Matches(r.client.Address) {
				return false
			}
			another = true
		}
	}
	return another
}

// Recover is the Secret that the login gave, or None and why readers are out of
// reach. It is asked after Done with OK, and with the newest accounts: the
// password may have changed a moment ago.
func (r *Relay) Recover(accounts *Accounts) (Secret, string) {
	switch {
	case !r.done || !r.ok:
		return Secret{}, "the login did not succeed"
	case r.seen:
		return ClearSecret(r.password), ""
	case len(r.answer) == 0 && (r.plugin == Native || r.plugin == CachingSHA2):
		return ClearSecret(""), ""
	}
	for _, one := range accounts.of(r.client.User) {
		if !one.Host.Matches(r.client.Address) {
			continue
		}
		if s, ok := one.prove(r.plugin, r.salt, r.answer); ok && !s.None() {
			return s, ""
		}
	}
	return Secret{}, fmt.Sprintf("reads stay on the writer: the login by %s gave nothing to log in with at a reader", r.plugin)
}

func (r *Relay) end(payload []byte, ok bool, why string) Move {
	r.done, r.ok = true, ok
	return Move{To: FromClient, Payload: payload, Done: true, OK: ok, Why: why}
}

// refuse ends the login with what a server would say to a wrong password.
func (r *Relay) refuse(why string) Move {
	return r.end(denied(r.client, len(r.answer) > 0), false, why)
}

func (r *Relay) unsafe(plugin string) Move {
	return r.end(refusal(errSecureNeeded, stateGeneral,
		"Connections using insecure transport are prohibited: the account needs "+plugin+", so use TLS"), false,
		fmt.Sprintf("%s needs TLS on both sides; the client has it: %t, the server: %t", plugin, r.client.TLS, r.channel.TLS))
}

// wrongPassword is a password that nobody has.
func wrongPassword() string {
	var some [16]byte
	_, _ = rand.Read(some[:]) // never fails, says its documentation
	return hex.EncodeToString(some[:])
}
