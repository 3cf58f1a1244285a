package wire_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/router/wire"
)

// raw is a client that speaks packets.
type raw struct {
	net.Conn
	t    *testing.T
	caps wire.Capability
	have []byte
	w    wire.Walker
}

const rawCaps = wire.Protocol41 | wire.SecureConnection | wire.PluginAuth | wire.Transactions | wire.MultiStatements | wire.MultiResults | wire.PSMultiResults | wire.ConnectWithDB

func rawLogin(t *testing.T, port uint16, caps wire.Capability) *raw {
	t.Helper()
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	r := &raw{Conn: c, t: t, caps: caps | rawCaps}
	packets := wire.NewReader(c, 1<<20)
	r.limit()
	p, seq, err := packets.Next()
	if err != nil {
		t.Fatal(err)
	}
	g, err := wire.ParseGreeting(p)
	if err != nil {
		t.Fatal(err)
	}
	r.caps &= g.Capabilities
	if again := g.Append(nil); !bytes.Equal(again, p) {
		t.Errorf("a greeting becomes\n%q, was\n%q", again, p)
	}
	login := wire.Login{Capabilities: r.caps, MaxPacket: 1 << 24, Charset: 45, User: "open", Schema: "d", Plugin: g.Plugin}
	b, _ := wire.AppendPacket(nil, login.Append(nil), seq+1)
	_, _ = c.Write(b)
	if p, _, err = packets.Next(); err != nil || p[0] != 0 {
		t.Fatalf("log in: %q, %v", p, err)
	}
	return r
}

func (r *raw) limit() { _ = r.SetDeadline(time.Now().Add(20 * time.Second)) }

// say sends a command; more follows its byte.
func (r *raw) say(c wire.Command, more ...byte) {
	r.t.Helper()
	r.limit()
	b, _ := wire.AppendPacket(nil, append([]byte{byte(c)}, more...), 0)
	if _, err := r.Write(b); err != nil {
		r.t.Fatal(err)
	}
}

// answer reads an answer as the walker has it, and returns the packets that it
// stopped at, without headers.
func (r *raw) answer(c wire.Command) (packets [][]byte) {
	r.t.Helper()
	if !r.w.Start(c, r.caps) {
		return nil
	}
	b := make([]byte, 4096)
	for {
		n, e := r.w.Walk(r.have)
		if len(r.w.Packet) > 0 {
			packets = append(packets, bytes.Clone(r.w.Packet[wire.HeaderSize:]))
		}
		r.have = r.have[n+len(r.w.Packet):]
		if r.w.Broken {
			r.t.Fatalf("%v: broken at %q", c, packets)
		}
		if e == wire.End {
			return packets
		}
		if e != wire.More {
			continue
		}
		k, err := r.Read(b)
		if err != nil {
			r.t.Fatalf("%v: after %q: %v", c, packets, err)
		}
		r.have = append(r.have, b[:k]...)
	}
}

// ask sends a command and reads the answer. Then nothing may be left: what the
// server says next is its first packet after a ping.
func (r *raw) ask(c wire.Command, more ...byte) [][]byte {
	r.t.Helper()
	r.say(c, more...)
	packets := r.answer(c)
	r.say(wire.ComPing)
	b := make([]byte, 4096)
	k := len(r.have)
	if k == 0 {
		var err error
		if k, err = r.Read(b); err != nil {
			r.t.Fatalf("%v: a ping after it: %v", c, err)
		}
	} else {
		b = r.have
	}
	if n, seq, ok := wire.Header(b[:k]); !ok || seq != 1 || b[4] != 0 || k != wire.HeaderSize+n || n > 12 {
		r.t.Fatalf("%v %q, capabilities %x: the walker ended after %q, and then came %q", c, more, uint64(r.caps), packets, b[:k])
	}
	r.have = nil
	return packets
}

func (r *raw) query(q string) [][]byte {
	r.t.Helper()
	return r.ask(wire.ComQuery, wire.AppendQuery(nil, q, r.caps)[1:]...)
}

// prepare returns the good answer to a prepare, after which nothing came that
// the walker did not expect.
func (r *raw) prepare(q string) wire.Prepared {
	r.t.Helper()
	p, err := wire.ParsePrepared(r.ask(wire.ComStmtPrepare, []byte(q)...)[0])
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// execute runs a statement whose parameters are all of eight bytes.
func (r *raw) execute(id uint32, cursor, typed bool, params ...uint64) {
	r.t.Helper()
	b := binary.LittleEndian.AppendUint32(nil, id)
	b = append(b, 0, 1, 0, 0, 0)
	if cursor {
		b[4] = 1
	}
	names := r.caps.Has(wire.QueryAttributes)
	if names {
		b[4] |= 8
		b = append(b, byte(len(params)))
	}
	if len(params) == 0 {
		r.ask(wire.ComStmtExecute, b...)
		return
	}
	b = append(b, make([]byte, (len(params)+7)/8)...)
	if !typed {
		b = append(b, 0)
	} else {
		b = append(b, 1)
		for range params {
			b = append(b, 8, 0)
			if names {
				b = append(b, 0)
			}
		}
	}
	for _, v := range params {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	_, _, none, ok := wire.ExecuteTypes(append([]byte{byte(wire.ComStmtExecute)}, b...), uint16(len(params)))
	if !ok || none == typed {
		r.t.Errorf("types of %q: none %v, %v", b, none, ok)
	}
	r.ask(wire.ComStmtExecute, b...)
}

func id4(id uint32) []byte { return binary.LittleEndian.AppendUint32(nil, id) }

func TestEveryCommandsAnswerEndsWhereTheWalkerSays(t *testing.T) {
	s := stage(t)
	s.Exec("CREATE USER open@'%'", "GRANT ALL ON *.* TO open@'%'")
	for name, caps := range map[string]wire.Capability{
		"old": 0, "new": wire.DeprecateEOF | wire.SessionTrack, "track": wire.SessionTrack, "no EOF": wire.DeprecateEOF,
		"all of MariaDB, old": wire.MariaBulk | wire.MariaExtendedMetadata | wire.MariaCacheMetadata | wire.MariaProgress,
		"all of MariaDB, new": wire.DeprecateEOF | wire.SessionTrack | wire.MariaBulk | wire.MariaExtendedMetadata | wire.MariaCacheMetadata | wire.MariaProgress | wire.MariaBulkUnitResults,
	} {
		t.Run(name, func(t *testing.T) {
			r := rawLogin(t, s.Port, caps)
			commandsOf(r)
			cursorsOf(r)
			proceduresOf(r)
		})
	}
}

func commandsOf(r *raw) {
	for _, q := range []string{"", "DO 1", "SELECT 1", "SELECT * FROM t", "SELECT 1 FROM t WHERE 0", "nonsense", "SET @a=1", "USE d", "CALL three()", "CALL fails()", "SELECT 1;nonsense", "BEGIN", "COMMIT"} {
		r.query(q)
	}
	for _, c := range []wire.Command{wire.ComStatistics, wire.ComProcessInfo, wire.ComDebug, wire.ComPing, wire.ComTime, wire.ComSleep, wire.ComConnect, wire.ComCreateDB, wire.ComResetConnection, wire.ComMulti, 0x77} {
		r.ask(c)
	}
	r.ask(wire.ComInitDB, []byte("nothing")...)
	r.ask(wire.ComInitDB, []byte("d")...)
	r.ask(wire.ComFieldList, []byte("t\x00")...)
	r.ask(wire.ComFieldList, []byte("nothing\x00")...)
	r.ask(wire.ComSetOption, 1, 0)
	r.ask(wire.ComSetOption, 0, 0)
	r.ask(wire.ComSetOption, 9, 0)
	r.ask(wire.ComSetOption, 0, 0)
	r.ask(wire.ComProcessKill, id4(1<<30)...)
	r.ask(wire.ComRefresh, 4)
}

func cursorsOf(r *raw) {
	p := r.prepare("SELECT id, a, b FROM t WHERE id > ?")
	for range 2 { // the second time MariaDB may leave descriptions out
		r.execute(p.ID, false, true, 100)
		r.execute(p.ID, false, true, 1<<30)
	}
	r.execute(p.ID, true, true, 280)
	if !r.w.Status.Has(wire.CursorExists) {
		r.t.Error("no cursor")
	}
	r.ask(wire.ComStmtFetch, append(id4(p.ID), id4(5)...)...)
	r.ask(wire.ComStmtFetch, append(id4(p.ID), id4(50)...)...)
	if !r.w.Status.Has(wire.LastRowSent) {
		r.t.Error("not the last row")
	}
	r.ask(wire.ComStmtFetch, append(id4(p.ID), id4(5)...)...)
	r.execute(p.ID, true, true, 290)
	r.ask(wire.ComStmtReset, id4(p.ID)...)
	r.query("SELECT 1")
	for _, q := range []string{"DO ?", "SHOW DATABASES", "SELECT 1", "UPDATE t SET b=3"} {
		one := r.prepare(q)
		params := make([]uint64, one.Params)
		r.execute(one.ID, false, true, params...)
		r.execute(one.ID, false, false, params...)
		// Not the other way round: MySQL 9.7 then answers with descriptions and an OK.
		r.execute(one.ID, true, true, params...)
		r.say(wire.ComStmtClose, id4(one.ID)...)
		r.execute(one.ID, false, false, params...)
	}
	r.ask(wire.ComStmtPrepare, []byte("nonsense")...)
	r.say(wire.ComStmtLongData, append(id4(p.ID), "\x00\x007"...)...)
	r.execute(p.ID, false, true, 1)
	r.ask(wire.ComStmtReset, id4(1<<20)...)
	r.ask(wire.ComStmtFetch, append(id4(1<<20), id4(50)...)...)
}

func proceduresOf(r *raw) {
	for _, q := range []string{"CALL three()", "CALL fails()", "CALL outs(?, ?, ?)"} {
		p := r.prepare(q)
		params := make([]uint64, p.Params)
		r.execute(p.ID, false, true, params...)
		r.execute(p.ID, true, true, params...)
	}
	if !r.caps.Has(wire.MariaBulk) {
		return
	}
	p := r.prepare("INSERT INTO t (id) VALUES (?) RETURNING id")
	bulk := append(id4(p.ID), 128, 0, 8, 0) // with types
	for i := range 3 {
		bulk = append(bulk, 0)
		bulk = binary.LittleEndian.AppendUint64(bulk, uint64(1000+i))
	}
	r.ask(wire.ComStmtBulkExecute, bulk...)
	r.query("DELETE FROM t WHERE id >= 1000")
}

func TestTextOfAnOKHasItsLengthWithAndWithoutTracking(t *testing.T) {
	s := stage(t)
	s.Exec("CREATE USER open@'%'", "GRANT ALL ON *.* TO open@'%'")
	want := "Rows matched: 300  Changed: 300  Warnings: 0"
	plain := rawLogin(t, s.Port, wire.DeprecateEOF).query("UPDATE t SET b=-1")[0]
	if ok, err := wire.ParseOK(plain, 0); err != nil || string(ok.Info) != want {
		t.Errorf("%q: %+v, %v", plain, ok, err)
	}
	r := rawLogin(t, s.Port, wire.SessionTrack)
	r.query("SET session_track_system_variables='*', session_track_state_change=1, session_track_transaction_info='CHARACTERISTICS', autocommit=0")
	tracked := r.query("UPDATE t SET b=-2")[0]
	ok, err := wire.ParseOK(tracked, r.caps)
	if err != nil || string(ok.Info) != want || len(ok.Tracked) == 0 {
		t.Fatalf("%q: %+v, %v", tracked, ok, err)
	}
	if again := ok.Append(nil, r.caps); !bytes.Equal(again, tracked) {
		t.Errorf("%q becomes %q", tracked, again)
	}
	whole, _ := wire.AppendPacket(nil, tracked, 1)
	less := wire.Untrack(whole, r.caps)
	if ok, err := wire.ParseOK(less[wire.HeaderSize:], 0); err != nil || string(ok.Info) != want || ok.Status.Has(wire.SessionStateChanged) {
		t.Errorf("without tracking: %q, %v", less, err)
	}
	if n, _, _ := wire.Header(less); n != len(less)-wire.HeaderSize || len(less) >= len(whole) {
		t.Errorf("%q became %q", whole, less)
	}
}
