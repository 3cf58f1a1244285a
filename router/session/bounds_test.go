package session

import (
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/router/wire"
)

func TestACommandWithoutEndIsRefusedAsByAServer(t *testing.T) {
	writer := newPuppet(t, "db1", nil)
	r := newTheatre(t, writer)
	const most = 20 << 20
	r.rules.Most = most
	r.serveAll()
	text := func(n int) []byte { return append([]byte("DO 1 #"), make([]byte, n-7)...) }
	k := r.talk()
	k.say(wire.ComQuery, text(most-1)...)
	k.hear(wire.ComQuery)
	if got := k.said(); !strings.Contains(got, "ok ") || writer.heard("DO 1") != 1 {
		t.Errorf("one byte less than is too much: %s", got)
	}
	k.say(wire.ComQuery, text(most)...)
	k.hear(wire.ComQuery)
	k.query("DO 2")
	if got := k.said(); !strings.Contains(got, "error 1153 08S01 Got a packet bigger than 'max_allowed_packet' bytes\n  the connection ended") {
		t.Errorf("as much as is too much: %s", got)
	}

	k = r.talk()
	_, _ = k.conn.Write(wire.AppendHeader(nil, wire.MaxPayload, 0)) // said is enough
	_, _ = k.conn.Write(append([]byte{byte(wire.ComQuery)}, make([]byte, wire.MaxPayload-1)...))
	_, _ = k.conn.Write(wire.AppendHeader(nil, most-wire.MaxPayload, 1))
	if k.hear(wire.ComQuery); !strings.Contains(k.said(), "error 1153") {
		t.Error("more than may come is waited for")
	}

	k = r.talk()
	part := append(wire.AppendHeader(nil, wire.MaxPayload, 0), make([]byte, wire.MaxPayload)...)
	part[wire.HeaderSize] = byte(wire.ComQuery)
	_ = k.conn.SetDeadline(time.Now().Add(answerLimit))
	var sent int
	var err error
	for ; err == nil && sent < 1000; sent++ {
		part[3] = byte(sent)
		_, err = k.conn.Write(part)
	}
	if err == nil {
		t.Errorf("%d parts of 16 MiB were taken", sent)
	}
	if n := writer.heard("COM_QUERY"); n != 1 {
		t.Errorf("the server was told %d commands", n)
	}
}
