package wire

import (
	"bytes"
	"reflect"
	"runtime"
	"testing"

	"pgregory.net/rapid"
)

// What is made of a value is read as that value again, for every set of
// capabilities that carries all of it.

func someText(t *rapid.T, label string) string {
	return rapid.StringMatching(`[a-zäß@%._-]{0,300}`).Draw(t, label)
}

func capabilities(t *rapid.T) Capability {
	return Capability(rapid.Uint64Range(0, uint64(MariaBulkUnitResults)<<1-1).Draw(t, "caps"))
}

func TestGreetingIsReadAsItWasMade(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := Greeting{
			Version: rapid.SampledFrom([]string{"5.5.5-10.11.19-MariaDB-log", "8.0.36", "9.7.4", ""}).Draw(t, "version"), Connection: rapid.Uint32().Draw(t, "connection"),
			Capabilities: capabilities(t) | SecureConnection | PluginAuth, Charset: rapid.Byte().Draw(t, "charset"),
			Status: Status(rapid.Uint16().Draw(t, "status")), Plugin: someText(t, "plugin"),
		}
		copy(g.Salt[:], rapid.SliceOfN(rapid.Byte(), SaltSize, SaltSize).Draw(t, "salt"))
		if g.Capabilities.Has(LongPassword) {
			g.Capabilities &= 1<<32 - 1
		}
		if got, err := ParseGreeting(g.Append(nil)); err != nil || got != g {
			t.Fatalf("%+v, %v", got, err)
		}
	})
}

func TestLoginIsReadAsItWasMade(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Login{
			Capabilities: capabilities(t)&^TLS | Protocol41 | SecureConnection, MaxPacket: rapid.Uint32().Draw(t, "max"), Charset: rapid.Byte().Draw(t, "charset"),
			User: someText(t, "user"), Answer: rapid.SliceOfN(rapid.Byte(), 1, 255).Draw(t, "answer"),
		}
		fill(t, &l)
		if l.Capabilities.Has(ConnectWithDB) {
			l.Schema = someText(t, "schema")
		}
		if l.Capabilities.Has(LongPassword) {
			l.Capabilities &= 1<<32 - 1
		}
		got, err := ParseLogin(l.Append(nil))
		if err != nil || !reflect.DeepEqual(got, l) {
			t.Fatalf("%+v, %v, was %+v", got, err, l)
		}
		l.Capabilities |= TLS
		request := l.AppendTLSRequest(nil)
		if got, ok := ParseTLSRequest(request); !ok || got.Capabilities != l.Capabilities || got.Charset != l.Charset || got.MaxPacket != l.MaxPacket {
			t.Fatalf("%+v", got)
		}
		if _, ok := ParseTLSRequest(l.Append(nil)); ok {
			t.Fatal("a login is taken for a request for TLS")
		}
	})
}

func fill(t *rapid.T, l *Login) {
	if l.Capabilities.Has(PluginAuth) {
		l.Plugin = someText(t, "plugin")
	}
	if l.Capabilities.Has(ConnectAttrs) {
		l.Attributes = rapid.SliceOfN(rapid.Byte(), 1, 400).Draw(t, "attributes")
	}
}

func TestChangeOfUserIsReadAsItWasMade(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Login{Capabilities: capabilities(t), User: someText(t, "user"), Schema: someText(t, "schema"), Charset: rapid.Byte().Draw(t, "charset"), Answer: rapid.SliceOfN(rapid.Byte(), 1, 255).Draw(t, "answer")}
		fill(t, &l)
		p := l.AppendChangeUser(nil, l.Capabilities)
		if got, err := ParseChangeUser(p[1:], l.Capabilities); err != nil || !reflect.DeepEqual(got, l) {
			t.Fatalf("%+v, %v, was %+v", got, err, l)
		}
	})
}

func TestResultsAreReadAsTheyWereMade(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		caps := capabilities(t)
		ok := OK{
			EOF: rapid.Bool().Draw(t, "eof"), Affected: rapid.Uint64().Draw(t, "affected"), InsertID: rapid.Uint64().Draw(t, "insert"),
			Status: Status(rapid.Uint16().Draw(t, "status")) &^ SessionStateChanged, Warnings: rapid.Uint16().Draw(t, "warnings"), Info: []byte(someText(t, "info")),
		}
		if caps.Has(SessionTrack) && rapid.Bool().Draw(t, "changed") {
			ok.Status |= SessionStateChanged
			ok.Tracked = rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "tracked")
		}
		p := ok.Append(nil, caps)
		got, err := ParseOK(p, caps)
		if len(ok.Info) == 0 {
			got.Info, ok.Info = nil, nil
		}
		if err != nil || !reflect.DeepEqual(got, ok) {
			t.Fatalf("%+v, %v, was %+v", got, err, ok)
		}
		whole, _ := AppendPacket(nil, p, 7)
		less := Untrack(bytes.Clone(whole), caps)
		ok.Tracked, ok.Status = nil, ok.Status&^SessionStateChanged
		plain, err := ParseOK(less[HeaderSize:], 0)
		if len(ok.Info) == 0 {
			plain.Info = nil
		}
		if n, seq, _ := Header(less); err != nil || !reflect.DeepEqual(plain, ok) || n != len(less)-HeaderSize || seq != 7 || len(less) > len(whole) {
			t.Fatalf("%+v, %v, was %+v", plain, err, ok)
		}
		e := Err{Code: rapid.Uint16().Draw(t, "code"), State: rapid.StringMatching(`([A-Z0-9]{5})?`).Draw(t, "state"), Message: someText(t, "message")}
		if got, err := ParseErr(e.Append(nil)); err != nil || *got != e {
			t.Fatalf("%+v, %v, was %+v", got, err, e)
		}
		eof := EOF{Warnings: ok.Warnings, Status: ok.Status}
		if got, good := ParseEOF(eof.Append(nil)); !good || got != eof {
			t.Fatalf("%+v", got)
		}
		s := Prepared{ID: rapid.Uint32().Draw(t, "id"), Columns: rapid.Uint16().Draw(t, "columns"), Params: rapid.Uint16().Draw(t, "params"), Warnings: ok.Warnings}
		if got, err := ParsePrepared(s.Append(nil)); err != nil || got != s {
			t.Fatalf("%+v, %v", got, err)
		}
	})
}

func TestQuestionsOfPluginsAreReadAsTheyWereMade(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plugin, data := someText(t, "plugin"), rapid.SliceOfN(rapid.ByteRange(1, 255), 0, 40).Draw(t, "data")
		if name, got, ok := ParseAuthSwitch(AppendAuthSwitch(nil, plugin, data)); !ok || name != plugin || !bytes.Equal(got, data) {
			t.Fatalf("%q %q", name, got)
		}
		if got, ok := ParseAuthMore(AppendAuthMore(nil, data)); !ok || !bytes.Equal(got, data) {
			t.Fatalf("%q", got)
		}
	})
	if name, _, ok := ParseAuthSwitch([]byte{0xfe}); !ok || name != "mysql_old_password" {
		t.Error(name)
	}
}

func TestMessagesAreCutIntoPacketsAndEndWithAShortOne(t *testing.T) {
	for _, n := range []int{0, 1, MaxPayload - 1, MaxPayload, MaxPayload + 1, 2 * MaxPayload} {
		b, next := AppendPacket(nil, make([]byte, n), 254)
		total, packets := 0, 0
		for len(b) > 0 {
			size, seq, _ := Header(b)
			if seq != byte(254+packets) {
				t.Fatalf("%d: packet %d has number %d", n, packets, seq)
			}
			total, packets, b = total+size, packets+1, b[HeaderSize+size:]
			if (size < MaxPayload) != (len(b) == 0) {
				t.Fatalf("%d: a packet of %d, and %d bytes follow", n, size, len(b))
			}
		}
		if total != n || packets != n/MaxPayload+1 || next != byte(254+packets) {
			t.Errorf("%d bytes in %d packets of %d", n, packets, total)
		}
	}
}

// executeOf is a COM_STMT_EXECUTE of statement 9 with two parameters of eight
// bytes, as a client without and with names sends it.
func executeOf(typed, names bool) []byte {
	p := []byte{byte(ComStmtExecute), 9, 0, 0, 0, 0, 1, 0, 0, 0}
	if names {
		p[5] = named
		p = append(p, 2)
	}
	p = append(p, 0, 0)
	if typed {
		p[len(p)-1] = 1
		for range 2 {
			p = append(p, 8, 0)
			if names {
				p = append(p, 1, 'n')
			}
		}
	}
	return append(p, "onetwo..threefou"...)
}

func TestTypesOfTheFirstExecutionAreWrittenIntoALaterOne(t *testing.T) {
	for _, names := range []bool{false, true} {
		first, later := executeOf(true, names), executeOf(false, names)
		types, _, none, ok := ExecuteTypes(first, 2)
		if !ok || none {
			t.Fatalf("names %v: the types are not found", names)
		}
		_, at, none, ok := ExecuteTypes(later, 2)
		if !ok || !none {
			t.Fatalf("names %v: types are found where there are none", names)
		}
		if got := AppendExecuteWithTypes(nil, later, at, types); !bytes.Equal(got, first) {
			t.Errorf("names %v:\n%q, want\n%q", names, got, first)
		}
		for n := range len(first) - 16 {
			if _, _, _, ok := ExecuteTypes(first[:n], 2); ok {
				t.Errorf("names %v: types are found in %d bytes", names, n)
			}
		}
	}
	if _, _, none, ok := ExecuteTypes(executeOf(false, false)[:executeHead], 0); !ok || none {
		t.Error("a statement without parameters needs no types")
	}
	p := executeOf(true, false)
	SetStatementID(p, 77)
	if id, ok := StatementID(p); !ok || id != 77 || Cursor(p) {
		t.Error(id)
	}
}

func TestAttributesAreSkippedToTheTextOfAQuery(t *testing.T) {
	if got := AppendQuery(nil, "SELECT 1", 0); string(got) != "\x03SELECT 1" {
		t.Errorf("%q", got)
	}
	if a, got, err := SplitAttributes(AppendQuery(nil, "SELECT 2", QueryAttributes)[1:]); err != nil || string(got) != "SELECT 2" || a.n != 0 {
		t.Errorf("%q, %v", got, err)
	}
	p := []byte("\x03\x01\x02\x01" + "\xfe\x00\x04mode" + "\x06\x00\x04null" + "\x08\x00\x01n" + "\x06writer" + "12345678" + "SELECT 3")
	a, got, err := SplitAttributes(p)
	if err != nil || string(got) != "SELECT 3" {
		t.Fatalf("%q, %v", got, err)
	}
	var all []string
	for name, value, ok := a.Next(); ok; name, value, ok = a.Next() {
		all = append(all, string(name)+"="+string(value))
	}
	if want := []string{"mode=writer", "null=", "n=12345678"}; !reflect.DeepEqual(all, want) {
		t.Errorf("%q", all)
	}
	for n := range len(p) - len("SELECT 3") {
		if _, _, err := SplitAttributes(p[:n]); err == nil {
			t.Errorf("%d bytes are taken for a query", n)
		}
	}
}

func TestHotPathAllocatesNothing(t *testing.T) {
	p := OK{Status: Autocommit, Info: []byte("x"), Tracked: Tracked("\x00\x0d\x0aautocommit\x01\x31")}.Append(nil, capsNew)
	whole, _ := AppendPacket(nil, p, 1)
	execute, query := executeOf(true, true), []byte("\x01\x01\x00\x01\xfe\x00\x01n\x01vSELECT 3")
	work := make([]byte, 0, 200)
	if n := testing.AllocsPerRun(100, func() {
		ok, _ := ParseOK(p, capsNew)
		for kind, data, more := ok.Tracked.Next(); more; kind, data, more = ok.Tracked.Next() {
			if name, value, _, good := Variable(data); !good || kind != TrackVariable || string(name) != "autocommit" || string(value) != "1" {
				t.Fatalf("%q %q", name, value)
			}
		}
		work = append(work[:0], whole...)
		_ = Untrack(work, capsNew)
		_, _, _, _ = ExecuteTypes(execute, 2)
		_, _, _ = SplitAttributes(query)
		work, _ = AppendPacket(work[:0], query, 0)
		_ = ok.Append(work[:0], 0)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestPacketThatIsOnlyAnnouncedCostsLittle(t *testing.T) {
	const clients = 100
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range clients {
		r := NewReader(bytes.NewReader(AppendHeader(nil, 1<<20, 0)), 1<<20)
		if _, _, err := r.Next(); err == nil {
			t.Fatal("there was none")
		}
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / clients; each > 64<<10 {
		t.Errorf("%d bytes for who has sent four", each)
	}
}

func TestMessageIsThePayloadInOnePiece(t *testing.T) {
	for _, n := range []int{0, 1, MaxPayload - 1, MaxPayload, MaxPayload + 1, 2 * MaxPayload, 2*MaxPayload + 7} {
		payload := make([]byte, n)
		for i := range payload {
			payload[i] = byte(i * 7 >> 3)
		}
		packets, _ := AppendPacket(nil, payload, 3)
		if got := Message(packets); !bytes.Equal(got, payload) {
			t.Errorf("%d bytes became %d", n, len(got))
		}
	}
}
