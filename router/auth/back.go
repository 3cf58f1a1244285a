package auth

import (
	"crypto/rsa"
	"errors"
	"fmt"
)

// ErrCannot: the server asks for a proof that the Secret does not give. Another
// server will ask the same; the session has its writer connection only.
var ErrCannot = errors.New("what is known of the password is not enough")

// ErrProtocol: the server said what no server says while somebody logs in.
var ErrProtocol = errors.New("the server does not keep to the protocol")

// Channel says what the connection to a server is like.
type Channel struct {
	TLS bool
	// ServerKey is the server's public key for passwords, when it is known. Else
	// it is asked for where it is needed, which trusts whoever answers.
	ServerKey *rsa.PublicKey
}

// Back logs in at one server with a Secret. It is used for one login and by one
// goroutine.
//
//	b := auth.NewBack(secret, channel)
//	plugin, answer, err := b.Start(greeting)   // into the handshake response
//	for { reply, err := b.Step(payload from the server) ... }
type Back struct {
	secret  Secret
	channel Channel
	plugin  string
	salt    []byte
	skipped error // why one of several plugins of an account was left out
	asked   bool  // for the server's key
	sent    bool  // everything: what comes next is the server's word
}

// Reply is what to do after a payload of the server.
type Reply struct {
	Send []byte // payload for the server; nil: only read on
	Done bool   // the server's payload was its OK
}

// NewBack begins a login.
func NewBack(secret Secret, channel Channel) *Back {
	return &Back{secret: secret, channel: channel}
}

// Start answers a server's greeting: plugin and answer go into the handshake
// response, or into COM_CHANGE_USER. A plugin that the Secret cannot serve is
// answered by one that it can, and the server asks for another if it must.
func (b *Back) Start(plugin string, salt []byte) (string, []byte, error) {
	answer, err := b.answer(plugin, salt)
	if errors.Is(err, ErrCannot) && !b.secret.None() {
		plugin = Native
		answer, err = b.answer(plugin, salt)
	}
	return plugin, answer, err
}

// Step takes the next payload of the server. Its refusal is a *ServerError.
func (b *Back) Step(payload []byte) (Reply, error) {
	if len(payload) == 0 {
		return Reply{}, fmt.Errorf("log in: %w: an empty packet", ErrProtocol)
	}
	switch payload[0] {
	case headOK:
		return Reply{Done: true}, nil
	case headERR:
		return Reply{}, b.refused(parseError(payload))
	case headSwitch:
		return b.switched(payload)
	case headMore:
		return b.more(payload[1:])
	default:
		return Reply{}, fmt.Errorf("log in: %w: a packet that begins with 0x%02x", ErrProtocol, payload[0])
	}
}

func (b *Back) switched(payload []byte) (Reply, error) {
	if len(payload) == 1 {
		return Reply{}, fmt.Errorf("log in: %w: the server asks for %s, which is not safe", ErrCannot, OldPassword)
	}
	plugin, salt, ok := parseSwitch(payload)
	if !ok {
		return Reply{}, fmt.Errorf("log in: %w: a request for another plugin that has no end", ErrProtocol)
	}
	answer, err := b.answer(plugin, salt)
	if errors.Is(err, ErrCannot) && !b.secret.None() && b.skipped == nil {
		// An account of MariaDB may have several plugins. The server asks for the
		// next one when an answer is wrong, as the empty one is.
		b.skipped, answer, err = err, nil, nil
	}
	if answer == nil {
		answer = []byte{} // an empty packet, which is an answer
	}
	return Reply{Send: answer}, err
}

func (b *Back) refused(why *ServerError) error {
	if b.skipped != nil {
		return fmt.Errorf("%w; %w", b.skipped, why)
	}
	return fmt.Errorf("log in: %w", why)
}

// answer is the first thing to say by that plugin.
func (b *Back) answer(plugin string, salt []byte) ([]byte, error) {
	b.plugin, b.salt, b.asked, b.sent = plugin, bare(salt), false, false
	k := b.secret.known
	if k == nil {
		return nil, fmt.Errorf("log in: %w: nothing is known", ErrCannot)
	}
	if k.empty && plugin != ClearPassword {
		return nil, nil
	}
	switch {
	case plugin == Native && len(b.salt) == SaltLength:
		return answerNative(k.once, b.salt), nil
	case !k.clear:
		return nil, fmt.Errorf("log in: %w: the server asks for %s, and only SHA1 of the password is known", ErrCannot, plugin)
	case plugin == CachingSHA2 && len(b.salt) == SaltLength:
		return answerSHA2(k.password, b.salt), nil
	case plugin == Ed25519:
		return newSigner(k.password).sign(b.salt), nil
	case plugin == ClearPassword && b.channel.TLS:
		return append([]byte(k.password), 0), nil
	case plugin == ClearPassword:
		return nil, fmt.Errorf("log in: %w: the server asks for the password in clear, and there is no TLS", ErrCannot)
	case plugin == SHA256 && len(b.salt) == SaltLength:
		return b.password(askKeySHA256)
	default:
		return nil, fmt.Errorf("log in: %w: the server asks for %q", ErrCannot, plugin)
	}
}

// password sends the password itself: over TLS as it is, else encrypted.
func (b *Back) password(ask byte) ([]byte, error) {
	k := b.secret.known
	switch {
	case b.channel.TLS:
		b.sent = true
		return append([]byte(k.password), 0), nil
	case b.channel.ServerKey != nil:
		b.sent = true
		return seal(k.password, b.salt, b.channel.ServerKey)
	default:
		b.asked = true
		return []byte{ask}, nil
	}
}

// more goes on with caching_sha2_password and sha256_password.
func (b *Back) more(data []byte) (Reply, error) {
	sha2 := b.plugin == CachingSHA2 && !b.secret.known.empty
	switch {
	case b.asked && !b.sent:
		key, err := parseServerKey(data)
		if err != nil {
			return Reply{}, fmt.Errorf("log in: %w", err)
		}
		sealed, err := seal(b.secret.known.password, b.salt, key)
		b.sent = true
		return Reply{Send: sealed}, err
	case sha2 && !b.sent && len(data) == 1 && data[0] == fastDone:
		return Reply{}, nil
	case sha2 && !b.sent && len(data) == 1 && data[0] == fullNeeded:
		answer, err := b.password(askKey)
		return Reply{Send: answer}, err
	default:
		return Reply{}, fmt.Errorf("log in: %w: %s does not go on like this", ErrProtocol, b.plugin)
	}
}
