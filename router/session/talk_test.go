package session

import (
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/mmm-ha/mmm/router/auth"
	"github.com/mmm-ha/mmm/router/wire"
	"golang.org/x/sys/unix"
)

// talker is a client that speaks packets and writes down, word for word, what it
// is answered. It reads answers by itself, not with the router's own code, so that
// both cannot be wrong in the same way.
type talker struct {
	conn     net.Conn
	packets  *wire.Reader
	greeting wire.Greeting
	caps     wire.Capability
	log      strings.Builder
	named    map[string]wire.Prepared
	file     []byte // what is given when a server asks for one
	broken   error  // the connection ended
}

// plainCaps is what every client of today agrees on.
const plainCaps = wire.LongFlag | wire.Protocol41 | wire.SecureConnection | wire.PluginAuth | wire.PluginAuthLenenc | wire.Transactions |
	wire.MultiStatements | wire.MultiResults | wire.PSMultiResults | wire.ConnectWithDB | wire.LocalFiles | wire.LongPassword

// answerLimit bounds the wait for one answer.
const answerLimit = 40 * time.Second

// greet dials and logs in.
func greet(address string, caps wire.Capability, user, password, schema string) (*talker, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	k := &talker{conn: c, packets: wire.NewReader(c, 1<<30), named: map[string]wire.Prepared{}}
	if err := k.login(caps, user, password, schema); err != nil {
		k.close()
		return nil, err
	}
	return k, nil
}

func (k *talker) login(caps wire.Capability, user, password, schema string) error {
	k.limit()
	p, seq, err := k.packets.Next()
	if err != nil {
		return err
	}
	if k.greeting, err = wire.ParseGreeting(p); err != nil {
		return err
	}
	k.caps = (caps | plainCaps) & (k.greeting.Capabilities | wire.LongPassword)
	back := auth.NewBack(auth.ClearSecret(password), auth.Channel{})
	plugin, answer, err := back.Start("mysql_native_password", k.greeting.Salt[:])
	if err != nil {
		return err
	}
	login := wire.Login{Capabilities: k.caps, MaxPacket: 1 << 30, Charset: 45, User: user, Answer: answer, Schema: schema, Plugin: plugin}
	b, _ := wire.AppendPacket(nil, login.Append(nil), seq+1)
	return k.judged(b, back)
}

// judged sends the begin of a proof, and answers what the server asks.
func (k *talker) judged(b []byte, back *auth.Back) error {
	for {
		k.limit()
		if _, err := k.conn.Write(b); err != nil {
			return err
		}
		p, seq, err := k.packets.Next()
		if err != nil {
			return err
		}
		reply, err := back.Step(p)
		if err != nil || reply.Done {
			return err
		}
		b, _ = wire.AppendPacket(nil, reply.Send, seq+1)
	}
}

func (k *talker) limit() { _ = k.conn.SetDeadline(time.Now().Add(answerLimit)) }

func (k *talker) close() { _ = k.conn.Close() }

// brings reports whether there is something to hear.
func (k *talker) brings() bool {
	there := false
	raw, err := k.conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return true
	}
	_ = raw.Control(func(fd uintptr) {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		there = n != 0 || err != nil
	})
	return there
}

// say sends a command; more follows its byte.
func (k *talker) say(c wire.Command, more ...byte) {
	if k.broken != nil {
		return
	}
	k.limit()
	b, _ := wire.AppendPacket(nil, append([]byte{byte(c)}, more...), 0)
	if _, err := k.conn.Write(b); err != nil {
		k.ended(err)
	}
}

func (k *talker) ended(err error) {
	if k.broken == nil {
		k.broken = err
		k.note("the connection ended")
	}
}

func (k *talker) note(format string, args ...any) { fmt.Fprintf(&k.log, "  "+format+"\n", args...) }

func (k *talker) next() []byte {
	if k.broken != nil {
		return nil
	}
	p, _, err := k.packets.Next()
	if err != nil {
		k.ended(err)
		return nil
	}
	return p
}

// brief is a packet as text; a long one is its length and its digest.
func brief(p []byte) string {
	if len(p) > 300 {
		return fmt.Sprintf("%d bytes, %x", len(p), sha1.Sum(p))
	}
	return fmt.Sprintf("%q", p)
}

// hear reads the answer to a command and writes it down.
func (k *talker) hear(c wire.Command) {
	switch c {
	case wire.ComStmtClose, wire.ComStmtLongData, wire.ComQuit:
		return
	case wire.ComStatistics:
		if p := k.next(); p != nil && p[0] != 0xff {
			k.note("statistics: %v", len(p) > 20)
		}
		return
	case wire.ComStmtFetch, wire.ComFieldList:
		k.rows()
		return
	default: // a result, or several
	}
	for k.result() {
	}
}

// result reads one result, and reports whether another one follows.
func (k *talker) result() bool {
	p := k.next()
	if len(p) == 0 {
		return false
	}
	switch p[0] {
	case 0xff, 0x00, 0xfe:
		return k.final(p)
	case 0xfb:
		k.note("asks for the file %q", p[1:])
		b, seq := []byte(nil), byte(2)
		if len(k.file) > 0 {
			b, seq = wire.AppendPacket(nil, k.file, 2)
		}
		b = wire.AppendHeader(b, 0, seq)
		if _, err := k.conn.Write(b); err != nil {
			k.ended(err)
		}
		return true
	}
	columns := int(p[0])
	if p[0] == 0xfc {
		columns = int(binary.LittleEndian.Uint16(p[1:]))
	}
	for range columns {
		k.note("column %s", brief(k.next()))
	}
	if !k.caps.Has(wire.DeprecateEOF) {
		p := k.next()
		if k.final(p); len(p) == 5 && wire.Status(p[3]).Has(wire.CursorExists) {
			return false
		}
	}
	return k.rows()
}

// rows reads rows up to their end.
func (k *talker) rows() bool {
	for {
		p := k.next()
		if len(p) == 0 {
			return false
		}
		if p[0] == 0xff || p[0] == 0xfe && (len(p) < 9 || k.caps.Has(wire.DeprecateEOF) && len(p) < wire.MaxPayload) {
			return k.final(p)
		}
		k.note("row %s", brief(p))
	}
}

// final writes down OK, EOF or ERR, and reports whether another result follows.
func (k *talker) final(p []byte) bool {
	if e, err := wire.ParseErr(p); err == nil {
		k.note("error %d %s %s", e.Code, e.State, e.Message)
		return false
	}
	if eof, ok := wire.ParseEOF(p); ok && !k.caps.Has(wire.DeprecateEOF) {
		eof.Status &^= wire.MetadataChanged     // the server that prepared it before a change says so; one that prepares it later has nothing to say
		eof.Status &^= wire.SessionStateChanged // means nothing: an EOF cannot say what has changed
		k.note("eof status=%04x warnings=%d", uint16(eof.Status), eof.Warnings)
		return eof.Status.Has(wire.MoreResults)
	}
	ok, err := wire.ParseOK(p, k.caps)
	if err != nil {
		k.note("broken %s", brief(p))
		return false
	}
	ok.Status &^= wire.MetadataChanged
	k.note("ok eof=%v affected=%d insert=%d status=%04x warnings=%d info=%q%s", ok.EOF, ok.Affected, ok.InsertID, uint16(ok.Status), ok.Warnings, ok.Info, tracks(ok.Tracked))
	return ok.Status.Has(wire.MoreResults)
}

// tracks is what an OK says of the session, as text.
func tracks(t wire.Tracked) string {
	var all []string
	for kind, data, more := t.Next(); more; kind, data, more = t.Next() {
		if kind != wire.TrackVariable {
			all = append(all, fmt.Sprintf("%d:%q", kind, data))
			continue
		}
		for name, value, rest, ok := wire.Variable(data); ok; name, value, rest, ok = wire.Variable(rest) {
			all = append(all, fmt.Sprintf("%s=%q", name, value))
		}
	}
	slices.Sort(all)
	if len(all) == 0 {
		return ""
	}
	return " tracked " + strings.Join(all, " ")
}

// query runs a statement.
func (k *talker) query(q string) {
	k.say(wire.ComQuery, []byte(q)...)
	k.hear(wire.ComQuery)
}

// prepare prepares a statement under a name of the script's.
func (k *talker) prepare(name, q string) {
	k.say(wire.ComStmtPrepare, []byte(q)...)
	p := k.next()
	answer, err := wire.ParsePrepared(p)
	if err != nil {
		k.final(p)
		return
	}
	k.note("prepared params=%d columns=%d warnings=%d", answer.Params, answer.Columns, answer.Warnings)
	for _, n := range []uint16{answer.Params, answer.Columns} {
		for range n {
			k.note("column %s", brief(k.next()))
		}
		if n > 0 && !k.caps.Has(wire.DeprecateEOF) {
			k.final(k.next())
		}
	}
	k.named[name] = answer
}

// execute runs a prepared statement with texts as its parameters; "NULL" is none,
// and "-" one that was sent as long data.
func (k *talker) execute(name string, cursor, typed bool, args []string) {
	st, ok := k.named[name]
	if !ok {
		k.note("was not prepared")
		return
	}
	b := binary.LittleEndian.AppendUint32(nil, st.ID)
	b = append(b, 0, 1, 0, 0, 0)
	if cursor {
		b[4] = 1
	}
	if n := int(st.Params); n > 0 {
		nulls := make([]byte, (n+7)/8)
		var types, values []byte
		for i, a := range args {
			types = append(types, 0xfd, 0)
			switch a {
			case "NULL":
				nulls[i/8] |= 1 << (i % 8)
			case "-":
			default:
				if len(a) > 250 {
					values = append(values, 0xfe)
					values = binary.LittleEndian.AppendUint64(values, uint64(len(a)))
				} else {
					values = append(values, byte(len(a)))
				}
				values = append(values, a...)
			}
		}
		b = append(b, nulls...)
		if typed {
			b = append(append(b, 1), types...)
		} else {
			b = append(b, 0)
		}
		b = append(b, values...)
	}
	k.say(wire.ComStmtExecute, b...)
	k.hear(wire.ComStmtExecute)
}

// about runs a command about a prepared statement.
func (k *talker) about(c wire.Command, name string, more ...byte) {
	if _, ok := k.named[name]; !ok {
		k.note("was not prepared")
		return
	}
	k.say(c, append(binary.LittleEndian.AppendUint32(nil, k.named[name].ID), more...)...)
	k.hear(c)
}

// changeUser becomes another user. The answer is that of a login.
func (k *talker) changeUser(user, password, schema string) {
	back := auth.NewBack(auth.ClearSecret(password), auth.Channel{})
	plugin, answer, err := back.Start("mysql_native_password", k.greeting.Salt[:])
	if err != nil {
		k.ended(err)
		return
	}
	login := wire.Login{User: user, Answer: answer, Schema: schema, Charset: 45, Plugin: plugin}
	b, _ := wire.AppendPacket(nil, login.AppendChangeUser(nil, k.caps), 0)
	if err := k.judged(b, back); err != nil {
		k.note("%v", err)
		k.ended(err)
		return
	}
	k.note("changed")
}
