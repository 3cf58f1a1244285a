package store

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

func TestEveryRecordSurvivesItsJSON(t *testing.T) {
	roundTrip[topology.Spec](t)
	roundTrip[topology.ModeSetting](t)
	roundTrip[topology.Intent](t)
	roundTrip[topology.Report](t)
	roundTrip[topology.Memory](t)
	roundTrip[topology.Writer](t)
	roundTrip[topology.Phase](t)
	roundTrip[topology.Reign](t)
	roundTrip[topology.Bid](t)
	roundTrip[topology.Claim](t)
	roundTrip[topology.Pin](t)
	roundTrip[topology.Switchover](t)
	roundTrip[topology.Event](t)
}

func roundTrip[T any](t *testing.T) {
	var zero T
	t.Run(fmt.Sprintf("%T", zero), func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			var in T
			fill(rt, reflect.ValueOf(&in).Elem())
			text, err := encode(in)
			if err != nil {
				rt.Fatal(err)
			}
			if !strings.HasPrefix(string(text), `{"v":1,`) || !json.Valid(text) {
				rt.Fatalf("not an object with its version first: %s", text)
			}
			out, err := decode[T](text)
			if err != nil {
				rt.Fatal(err)
			}
			again, err := encode(out)
			if err != nil {
				rt.Fatal(err)
			}
			if string(again) != string(text) {
				rt.Fatalf("changed by its JSON:\n%s\n%s", text, again)
			}
		})
	})
}

// fill puts anything into a record, field by field, so that a new field is
// covered on the day it is added.
func fill(t *rapid.T, v reflect.Value) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "s"), rapid.Int64Range(0, 1e9-1).Draw(t, "ns")).UTC()))
		return
	case netip.Addr:
		v.Set(reflect.ValueOf(netip.AddrFrom4([4]byte{192, 0, 2, rapid.Byte().Draw(t, "ip")})))
		return
	case gtid.Set:
		set, err := gtid.Parse(rapid.SampledFrom([]string{"", "0-1-7", "0-2-18446744073709551615,3-1-9"}).Draw(t, "gtid"))
		if err != nil {
			t.Fatal(err)
		}
		v.Set(reflect.ValueOf(set))
		return
	}
	if _, ok := v.Interface().(gtid.State); ok {
		state, err := gtid.ParseState(rapid.SampledFrom([]string{"", "0-1-7", "0-2-8,0-1-9,3-1-9"}).Draw(t, "state"))
		if err != nil {
			t.Fatal(err)
		}
		v.Set(reflect.ValueOf(state))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "set") {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, v.Elem())
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), rapid.IntRange(0, 3).Draw(t, "len"), 3))
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range rapid.IntRange(0, 3).Draw(t, "len") {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(t, key)
			fill(t, value)
			v.SetMapIndex(key, value)
		}
	case reflect.String:
		v.SetString(rapid.String().Draw(t, "text"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.Int64().Draw(t, "int"))
	case reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(rapid.Uint64Max(1<<16-1).Draw(t, "uint"))
	default:
		t.Fatalf("no way to fill a %s", v.Type())
	}
}

func TestBrokenValueIsRefusedWithItsCause(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"newer", `{"v":2,"mode":"SLEEPY"}`, "newer version (v 2"},
		{"newer in another form", `{"v":9,"mode":["x"]}`, "newer version (v 9"},
		{"no version", `{"mode":"ACTIVE"}`, `no "v"`},
		{"cut off", `{"v":1,"mode":"ACT`, "broken JSON"},
		{"wrong type", `{"v":1,"mode":7}`, "broken JSON"},
		{"no object", `7`, "broken JSON"},
		{"empty", ``, "broken JSON"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := decode[topology.ModeSetting]([]byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
			if m != (topology.ModeSetting{}) {
				t.Errorf("half a value came out: %+v", m)
			}
		})
	}
}

func TestUnknownFieldIsIgnored(t *testing.T) {
	m, err := decode[topology.ModeSetting]([]byte(`{"v":1,"mode":"MANUAL","colour":"red"}`))
	if err != nil || m.Mode != topology.Manual {
		t.Errorf("got %+v, %v", m, err)
	}
}
