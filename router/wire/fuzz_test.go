package wire

import (
	"bytes"
	"reflect"
	"testing"
)

// What is read from any bytes is no panic, and what was read is read again from
// what is made of it.

func again[T any](t *testing.T, first T, parse func([]byte) (T, error), made []byte) {
	t.Helper()
	second, err := parse(made)
	if err != nil || !reflect.DeepEqual(first, second) {
		t.Fatalf("%+v became %+v: %v", first, second, err)
	}
}

func FuzzGreeting(f *testing.F) {
	f.Add(Greeting{Version: "5.5.5-10.11.19-MariaDB", Capabilities: Carried &^ LongPassword, Plugin: "mysql_native_password"}.Append(nil))
	f.Add([]byte("\x0a8.0\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if g, err := ParseGreeting(b); err == nil {
			again(t, g, ParseGreeting, g.Append(nil))
		}
	})
}

func FuzzLogin(f *testing.F) {
	l := Login{Capabilities: Carried &^ LongPassword, User: "u", Answer: []byte("12345678901234567890"), Schema: "d", Plugin: "p", Attributes: []byte("\x01n\x01v")}
	f.Add(l.Append(nil), uint64(0))
	f.Add(l.AppendChangeUser(nil, l.Capabilities)[1:], uint64(l.Capabilities))
	f.Add(Login{Capabilities: TLS | Protocol41}.AppendTLSRequest(nil), uint64(0))
	f.Fuzz(func(t *testing.T, b []byte, caps uint64) {
		_, _ = ParseTLSRequest(b)
		if l, err := ParseLogin(b); err == nil {
			l.Attributes, l.Answer = whole(l.Attributes), whole(l.Answer)
			if l.Capabilities&(PluginAuthLenenc|SecureConnection) != 0 || bytes.IndexByte(l.Answer, 0) < 0 {
				again(t, l, parseWhole, l.Append(nil))
			}
		}
		_, _ = ParseChangeUser(b, Capability(caps))
	})
}

// whole makes nothing of an empty slice: on the wire they are the same.
func whole(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

func parseWhole(b []byte) (Login, error) {
	l, err := ParseLogin(b)
	l.Attributes, l.Answer = whole(l.Attributes), whole(l.Answer)
	return l, err
}

func FuzzResult(f *testing.F) {
	f.Add(plainOK, uint64(capsNew))
	f.Add(OK{Status: Autocommit, Info: []byte("x"), Tracked: Tracked("\x00\x0d\x0aautocommit\x01\x31")}.Append(nil, capsNew), uint64(capsNew))
	f.Add(refusal, uint64(0))
	f.Add(plainEOF, uint64(0))
	f.Add(AppendAuthSwitch(nil, "p", []byte("salt")), uint64(0))
	f.Fuzz(func(t *testing.T, b []byte, capabilities uint64) {
		caps := Capability(capabilities)
		if ok, err := ParseOK(b, caps); err == nil {
			for _, data, more := ok.Tracked.Next(); more; _, data, more = ok.Tracked.Next() {
				_ = Text(data)
				for _, _, rest, good := Variable(data); good; _, _, rest, good = Variable(rest) {
				}
			}
			packet, _ := AppendPacket(nil, b, 3)
			before := len(packet)
			less := Untrack(packet, caps)
			if n, seq, good := Header(less); !good || n != len(less)-HeaderSize || seq != 3 || len(less) > before {
				t.Fatalf("%q", less)
			}
			if _, err := ParseOK(less[HeaderSize:], 0); caps.Has(SessionTrack) && err != nil {
				t.Fatalf("%q: %v", less, err)
			}
		}
		if e, err := ParseErr(b); err == nil {
			_, _ = ParseErr(e.Append(nil))
			_ = e.Error()
		}
		_, _ = ParseEOF(b)
		_, _, _ = ParseAuthSwitch(b)
		_, _ = ParseAuthMore(b)
	})
}

func FuzzStatement(f *testing.F) {
	for _, names := range []bool{false, true} {
		f.Add(executeOf(true, names), uint16(2))
		f.Add(executeOf(false, names), uint16(2))
	}
	f.Add(Prepared{ID: 1, Columns: 2, Params: 3}.Append(nil), uint16(0))
	f.Add([]byte("\x01\x01\x00\x01\xfe\x00\x01n\x01vSELECT 3"), uint16(1))
	f.Fuzz(func(t *testing.T, b []byte, params uint16) {
		_, _ = ParsePrepared(b)
		_, _ = KillID(b)
		_, _ = StatementID(b)
		_ = Cursor(b)
		types, at, none, ok := ExecuteTypes(b, params)
		if ok && none {
			with := AppendExecuteWithTypes(nil, b, at, make([]byte, 2*int(params)))
			if b[5]&named == 0 {
				if got, where, none, ok := ExecuteTypes(with, params); !ok || none || where != at || len(got) != 2*int(params) {
					t.Fatalf("%q", with)
				}
			}
		} else if ok && at+len(types) > len(b) {
			t.Fatal("types beyond the end")
		}
		a, _, err := SplitAttributes(b)
		n := 0
		for _, _, more := a.Next(); more; _, _, more = a.Next() {
			n++
		}
		if err == nil && n != a.n {
			t.Fatalf("%d attributes of %d", n, a.n)
		}
	})
}

func FuzzReader(f *testing.F) {
	b, _ := AppendPacket(nil, []byte("hello"), 0)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b), 100)
		for {
			p, _, err := r.Next()
			if err != nil {
				return
			}
			if len(p) > 100 {
				t.Fatal(len(p))
			}
		}
	})
}
