package backend

import (
	"context"
	"fmt"
	"time"

	"github.com/mmm-ha/mmm/router/auth"
	"github.com/mmm-ha/mmm/router/wire"
)

// What is done with a connection between one client and the next. Nothing of an
// answer may be on its way.

// quitLimit bounds the goodbye; a server that does not take five bytes is gone.
const quitLimit = 100 * time.Millisecond

// Quit says goodbye and closes.
func (c *Conn) Quit() {
	_ = c.SetDeadline(time.Now().Add(quitLimit))
	_, _ = c.Write([]byte{1, 0, 0, 0, byte(wire.ComQuit)})
	_ = c.Close()
}

// Abandon closes without a word.
func (c *Conn) Abandon() { _ = c.Close() }

// Reset makes the session as it was after the login, but for its schema, by
// COM_RESET_CONNECTION, and makes the server report changes again. After an error
// the connection is of no use any more.
func (c *Conn) Reset(ctx context.Context) error {
	return c.dialogue(ctx, "reset a session", func(h *Handshake) error {
		if _, err := h.do(wire.ComResetConnection, ""); err != nil {
			return err
		}
		return h.track()
	})
}

// clean is Reset, and takes back what COM_SET_OPTION has changed, which neither a
// reset nor another user does.
func (c *Conn) clean(ctx context.Context) error {
	several := []byte{1, 0} // statements in one: off
	if c.Capabilities.Has(wire.MultiStatements) {
		several[0] = 0
	}
	return c.dialogue(ctx, "clean a session", func(h *Handshake) error {
		both := h.command(nil, wire.ComResetConnection, "")
		if _, err := h.conn.Write(h.command(both, wire.ComSetOption, string(several))); err != nil {
			return err
		}
		if _, err := h.done("reset"); err != nil {
			return err
		}
		_, err := h.done("set option")
		return err
	})
}

// become logs another client in on the connection, by COM_CHANGE_USER: the server
// judges it as if it had just come, and forgets all of the last one's session.
func (c *Conn) become(ctx context.Context, who Who, secret auth.Secret, policy TLS) error {
	return c.dialogue(ctx, "change the user", func(h *Handshake) error {
		back := auth.NewBack(secret, auth.Channel{TLS: c.Secret, ServerKey: policy.ServerKey})
		plugin, answer, err := back.Start(c.Greeting.Plugin, c.Greeting.Salt[:])
		if err != nil {
			return err
		}
		// Without the schema: a server answers a change of user that it refuses after a second.
		login := wire.Login{User: who.User, Answer: answer, Charset: who.Charset, Plugin: plugin, Attributes: who.Attributes}
		if err := h.Write(login.AppendChangeUser(nil, c.Capabilities)); err != nil {
			return err
		}
		end, err := h.answer(back)
		if err != nil {
			return err
		}
		if c.OK, err = wire.ParseOK(end, c.Capabilities); err != nil {
			return err
		}
		c.OK.Info, c.OK.Tracked = nil, nil
		return h.trackLikeNew(who.Schema)
	})
}

// dialogue speaks with the server, bounded by the context.
func (c *Conn) dialogue(ctx context.Context, what string, speak func(*Handshake) error) error {
	h := &Handshake{Target: c.Target, Greeting: c.Greeting, Capabilities: c.Capabilities, Secret: c.Secret}
	h.hear(c.Conn)
	h.bound(ctx)
	err := speak(h)
	if err == nil {
		err = h.heardAll()
	}
	if !h.stop() || ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s at %s: %w", what, c.Target.Name, err)
	}
	return nil
}
