package demo

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"
)

// two is a cast of two hosts and two reader VIPs.
var two = cast{
	address: map[string]string{"db1": "192.0.2.161", "db2": "192.0.2.162"},
	writer:  "192.0.2.113",
	readers: []string{"192.0.2.111", "192.0.2.112"},
}

// good is a look at a healthy cluster of that cast, changed by edit.
func good(t *testing.T, edit func(*facts)) facts {
	t.Helper()
	hosts, err := parseShow("  db1(192.0.2.161) master/ONLINE. Roles: reader(192.0.2.111), writer(192.0.2.113)\n" +
		"  db2(192.0.2.162) master/ONLINE. Roles: reader(192.0.2.112)\n")
	if err != nil {
		t.Fatal(err)
	}
	f := facts{
		shown:   hosts,
		carries: map[string][]string{"192.0.2.113": {"db1"}, "192.0.2.111": {"db1"}, "192.0.2.112": {"db2"}},
		servers: map[string]server{"db1": {}, "db2": {readOnly: true, source: "192.0.2.161", io: "Yes", sql: "Yes"}},
		reads:   map[string]time.Duration{"192.0.2.111": 5 * time.Millisecond, "192.0.2.112": 5 * time.Millisecond},
	}
	if edit != nil {
		edit(&f)
	}
	return f
}

func TestEachLieIsSeenByTheClaimThatItBreaks(t *testing.T) {
	claims := map[string]claim{
		"states": two.states(nil), "writer": two.writerIs("db1"), "readers": two.readersOn("db1", "db2"), "follow": two.follow("db1", "db2"),
	}
	tests := []struct {
		name string
		edit func(*facts)
		want map[string]string // claim: a part of what it saw
	}{
		{"the truth", nil, nil},
		{"the writer VIP on two interfaces", func(f *facts) { f.carries["192.0.2.113"] = []string{"db1", "db2"} },
			map[string]string{"writer": "on the interfaces of db1 and db2"}},
		{"the writer VIP nowhere", func(f *facts) { delete(f.carries, "192.0.2.113") }, map[string]string{"writer": "on the interfaces of nobody"}},
		{"a second server takes writes", func(f *facts) { f.servers["db2"] = server{source: "192.0.2.161", io: "Yes", sql: "Yes"} },
			map[string]string{"writer": "db2: read_only=false"}},
		{"the writer does not take writes", func(f *facts) { f.servers["db1"] = server{readOnly: true} }, map[string]string{"writer": "db1: read_only=true"}},
		{"show and interface differ", func(f *facts) { f.carries["192.0.2.112"] = []string{"db1"} },
			map[string]string{"readers": "192.0.2.112 is on db1 but show says db2"}},
		{"a reader VIP on two interfaces", func(f *facts) { f.carries["192.0.2.112"] = []string{"db1", "db2"} }, map[string]string{"readers": "db1 and db2"}},
		{"a reader VIP is silent", func(f *facts) { f.reads["192.0.2.112"] = 3 * time.Second }, map[string]string{"readers": "last answered a read 3.0 s ago"}},
		{"all reader VIPs on one host", func(f *facts) {
			f.carries["192.0.2.112"] = []string{"db1"}
			f.shown = map[string]shown{"db1": {"ONLINE", []string{"reader(192.0.2.111)", "reader(192.0.2.112)", "writer(192.0.2.113)"}}, "db2": {"ONLINE", nil}}
		}, map[string]string{"readers": "db1 has 2 of them, db2 has 0 of them"}},
		{"a replica follows nobody", func(f *facts) { f.servers["db2"] = server{readOnly: true} }, map[string]string{"follow": "db2: replicates from nobody"}},
		{"a replica is still connecting", func(f *facts) {
			f.servers["db2"] = server{readOnly: true, source: "192.0.2.161", io: "Connecting", sql: "Yes"}
		}, map[string]string{"follow": "Slave_IO_Running: Connecting"}},
		{"a host is missing in show", func(f *facts) { delete(f.shown, "db2") }, map[string]string{"states": `db2 is ""`, "readers": "show says nobody"}},
		{"the writer does not answer", func(f *facts) { f.servers["db1"] = server{err: errors.New("gone")} }, map[string]string{"writer": "no answer: gone"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := good(t, tt.edit)
			for name, c := range claims {
				saw, want := c.wrong(f), tt.want[name]
				if (want == "") != (saw == "") || !strings.Contains(saw, want) {
					t.Errorf("%s saw %q, want %q", name, saw, want)
				}
			}
		})
	}
}

func TestHostWithoutRolesCarriesNothing(t *testing.T) {
	f := good(t, func(f *facts) { f.shown["db2"] = shown{state: "HARD_OFFLINE"} })
	if saw := two.idle("db2").wrong(f); !strings.Contains(saw, "its interface carries 192.0.2.112") {
		t.Errorf("a forgotten address was not seen: %q", saw)
	}
	delete(f.carries, "192.0.2.112")
	if saw := two.idle("db2").wrong(f); saw != "" {
		t.Errorf("an idle host was not taken for one: %q", saw)
	}
}

func TestShowIsReadAsMMMPrintsIt(t *testing.T) {
	hosts, err := parseShow("# --- Monitor is in PASSIVE MODE ---\n# Cause: root@client\n" +
		"  db1(192.0.2.161) master/HARD_OFFLINE. Roles: \n  db4(192.0.2.165) slave/ONLINE. Roles: reader(192.0.2.111), reader(192.0.2.115)\n")
	if err != nil {
		t.Fatal(err)
	}
	if h := hosts["db1"]; h.state != "HARD_OFFLINE" || len(h.roles) != 0 {
		t.Errorf("db1 is read as %+v", h)
	}
	if h := hosts["db4"]; h.state != "ONLINE" || strings.Join(h.roles, " ") != "reader(192.0.2.111) reader(192.0.2.115)" {
		t.Errorf("db4 is read as %+v", h)
	}
	if _, err := parseShow("something else\n"); err == nil {
		t.Error("an unknown line was read")
	}
}

func TestPlainVoiceHasNoEscapes(t *testing.T) {
	for _, color := range []bool{false, true} {
		var lines []string
		v := voice{print: func(s string) { lines = append(lines, s) }, color: color, began: time.Now()}
		v.heading("h")
		v.act("do %s", "it")
		v.command("mmmctl show", "a\nb\n")
		v.good("g")
		v.bad("b", "s")
		v.gap(time.Second)
		if got := strings.Contains(strings.Join(lines, ""), "\x1b"); got != color {
			t.Errorf("color %t: escapes %t in %q", color, got, lines)
		}
		for _, line := range lines {
			if strings.Contains(line, "\n") {
				t.Errorf("%q is more than a line", line)
			}
		}
	}
}

func TestReadersRememberTheLongestSilence(t *testing.T) {
	base := time.Now()
	r := &readers{each: map[string]*reading{"a": {last: base}}}
	for _, ms := range []int{10, 300, 310} {
		r.note("a", base.Add(time.Duration(ms)*time.Millisecond))
	}
	if n, longest := r.total(); n != 3 || longest != 290*time.Millisecond {
		t.Errorf("%d answers, longest silence %v", n, longest)
	}
	if ages := r.ages(base.Add(time.Second)); !maps.Equal(ages, map[string]time.Duration{"a": 690 * time.Millisecond}) {
		t.Errorf("ages %v", ages)
	}
}
