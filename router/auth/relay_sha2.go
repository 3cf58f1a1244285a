package auth

import "bytes"

// A full login by caching_sha2_password says the password itself. Where client
// and server both have TLS, or both have not and the router has no key, what they
// say is passed on. Else the router stands between two ways of saying it: it has
// the password for a moment, and says it the other way.

// moreSHA2 takes what the server says after the scramble.
func (r *Relay) moreSHA2(payload []byte) Move {
	data := payload[1:]
	switch {
	case r.stage == theirKey:
		return r.sealed(data)
	case r.stage == passedKey:
		r.stage = password
		return Move{To: FromClient, Payload: payload, Next: FromClient}
	case !r.answered || r.stage != plain:
		return r.refuse("the server goes on with " + CachingSHA2 + " out of turn")
	case bytes.Equal(data, []byte{fastDone}):
		r.stage = fast
		if r.client.TLS {
			// The server has the password's hash in its memory and needs no
			// more. The router does, to log in at readers, and may have it.
			return Move{Next: FromServer}
		}
		return Move{To: FromClient, Payload: payload, Next: FromServer}
	case bytes.Equal(data, []byte{fullNeeded}) && !r.client.TLS && r.channel.TLS && r.keys == nil:
		// The client would encrypt for the server, which waits for the password
		// itself.
		return r.unsafe(CachingSHA2)
	case bytes.Equal(data, []byte{fullNeeded}):
		r.stage = password
		return Move{To: FromClient, Payload: payload, Next: FromClient}
	default:
		return r.refuse("the server goes on with " + CachingSHA2 + " in a way that is not known")
	}
}

// passwordFrom takes what the client says when it was asked for its password.
func (r *Relay) passwordFrom(payload []byte) Move {
	switch {
	case r.stage == fast || r.stage == theirKey || r.stage == passedKey:
		return r.refuse("the client spoke out of turn")
	case r.client.TLS:
		text, ok := terminated(payload)
		if !ok {
			return r.refuse("the client's password has no end")
		}
		return r.said(text)
	case bytes.Equal(payload, []byte{askKey}):
		return r.keyAsked()
	}
	if r.keys != nil {
		if text, ok := unseal(payload, r.salt, r.keys.private); ok {
			return r.said(text)
		}
	}
	if r.channel.TLS || r.stage == ownKey {
		return r.refuse("the client encrypted its password for a key that is not the router's")
	}
	r.stage = plain
	return r.toServer(payload)
}

func (r *Relay) keyAsked() Move {
	switch {
	case r.stage == ownKey:
		return r.refuse("the client asks for the key again")
	case r.keys != nil:
		r.stage = ownKey
		return Move{To: FromClient, Payload: more(r.keys.public...), Next: FromClient}
	default:
		r.stage = passedKey
		return Move{To: FromServer, Payload: []byte{askKey}, Next: FromServer}
	}
}

// said has the client's password, and says it to the server.
func (r *Relay) said(text string) Move {
	if r.stage == confirming {
		if !same(answerSHA2(text, r.salt), r.answer) {
			return r.refuse("the client's password is another one than its proof was made of")
		}
		r.password, r.seen = text, true
		return r.end(r.held, true, "the server accepts")
	}
	r.password, r.seen = text, true
	if r.bar != "" {
		r.password = wrongPassword()
	}
	switch {
	case r.channel.TLS:
		r.stage = plain
		return Move{To: FromServer, Payload: append([]byte(r.password), 0), Next: FromServer}
	case r.channel.ServerKey != nil:
		return r.seal()
	default:
		r.stage = theirKey
		return Move{To: FromServer, Payload: []byte{askKey}, Next: FromServer}
	}
}

// sealed has the server's key.
func (r *Relay) sealed(text []byte) Move {
	key, err := parseServerKey(text)
	if err != nil {
		return r.refuse(err.Error())
	}
	r.channel.ServerKey = key
	return r.seal()
}

func (r *Relay) seal() Move {
	sealed, err := seal(r.password, r.salt, r.channel.ServerKey)
	if err != nil {
		return r.refuse(err.Error())
	}
	r.stage = plain
	return Move{To: FromServer, Payload: sealed, Next: FromServer}
}
