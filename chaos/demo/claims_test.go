package demo

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/load"
)

// two is a cast of two hosts and two reader VIPs.
var two = cast{
	address: map[string]string{"db1": "192.0.2.161", "db2": "192.0.2.162"},
	writer:  "192.0.2.113",
	readers: []string{"192.0.2.111", "192.0.2.112"},
	router:  "192.0.2.170",
	routers: []string{"router1", "router2"},
}

// good is a look at a healthy cluster of that cast, changed by edit.
func good(t *testing.T, edit func(*facts)) facts {
	t.Helper()
	hosts, err := parseShow("  db1(192.0.2.161) master/ONLINE. Roles: reader(192.0.2.111), writer(192.0.2.113)\n" +
		"  db2(192.0.2.162) master/ONLINE. Roles: reader(192.0.2.112)\n" +
		"  router1(192.0.2.171) router/ONLINE. Roles: router(192.0.2.170)\n  router2(192.0.2.172) router/ONLINE. Roles: \n")
	if err != nil {
		t.Fatal(err)
	}
	f := facts{
		shown:   hosts,
		carries: map[string][]string{"192.0.2.113": {"db1"}, "192.0.2.111": {"db1"}, "192.0.2.112": {"db2"}, "192.0.2.170": {"router1"}},
		servers: map[string]server{
			"db1": {id: 161, inserts: map[int64]int{161: lastRows}},
			"db2": {id: 162, inserts: map[int64]int{161: lastRows}, readOnly: true, source: "192.0.2.161", io: "Yes", sql: "Yes"},
		},
		lately: map[int64]int{162: 40},
		reads:  map[string]time.Duration{"192.0.2.111": 5 * time.Millisecond, "192.0.2.112": 5 * time.Millisecond},
	}
	if edit != nil {
		edit(&f)
	}
	return f
}

// change edits what a server says.
func change(f *facts, host string, edit func(*server)) {
	s := f.servers[host]
	edit(&s)
	f.servers[host] = s
}

func TestEachLieIsSeenByTheClaimThatItBreaks(t *testing.T) {
	claims := map[string]claim{
		"states": two.states(nil), "writer": two.writerIs("db1"), "readers": two.readersOn("db1", "db2"), "follow": two.follow("db1", "db2"),
		"router": two.routerIs("router1"), "splits": two.splits("db1", "db2"),
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
		{"a second server takes writes", func(f *facts) { change(f, "db2", func(s *server) { s.readOnly = false }) },
			map[string]string{"writer": "db2: read_only=false"}},
		{"the writer does not take writes", func(f *facts) { change(f, "db1", func(s *server) { s.readOnly = true }) }, map[string]string{"writer": "db1: read_only=true"}},
		{"show and interface differ", func(f *facts) { f.carries["192.0.2.112"] = []string{"db1"} },
			map[string]string{"readers": "192.0.2.112 is on db1 but show says db2"}},
		{"a reader VIP on two interfaces", func(f *facts) { f.carries["192.0.2.112"] = []string{"db1", "db2"} }, map[string]string{"readers": "db1 and db2"}},
		{"a reader VIP is silent", func(f *facts) { f.reads["192.0.2.112"] = 3 * time.Second }, map[string]string{"readers": "last answered a read 3.0 s ago"}},
		{"all reader VIPs on one host", func(f *facts) {
			f.carries["192.0.2.112"] = []string{"db1"}
			f.shown["db1"], f.shown["db2"] = shown{"ONLINE", []string{"reader(192.0.2.111)", "reader(192.0.2.112)", "writer(192.0.2.113)"}}, shown{"ONLINE", nil}
		}, map[string]string{"readers": "db1 has 2 of them, db2 has 0 of them"}},
		{"a replica follows nobody", func(f *facts) { change(f, "db2", func(s *server) { s.source = "" }) }, map[string]string{"follow": "db2: replicates from nobody"}},
		{"a replica is still connecting", func(f *facts) { change(f, "db2", func(s *server) { s.io = "Connecting" }) }, map[string]string{"follow": "Slave_IO_Running: Connecting"}},
		{"a host is missing in show", func(f *facts) { delete(f.shown, "db2") }, map[string]string{"states": `db2 is ""`, "readers": "show says nobody"}},
		{"the writer does not answer", func(f *facts) { f.servers["db1"] = server{err: errors.New("gone")} }, map[string]string{"writer": "no answer: gone", "splits": "inserts"}},
		{"a router is down", func(f *facts) { f.shown["router2"] = shown{state: "HARD_OFFLINE"} }, map[string]string{"states": `router2 is "HARD_OFFLINE"`}},
		{"the router VIP on two interfaces", func(f *facts) { f.carries["192.0.2.170"] = []string{"router1", "router2"} },
			map[string]string{"router": "on the interfaces of router1 and router2"}},
		{"the router VIP where show does not say", func(f *facts) { f.shown["router1"] = shown{state: "ONLINE"} }, map[string]string{"router": "show gives it to nobody"}},
		{"a replica was written on", func(f *facts) {
			change(f, "db1", func(s *server) { s.inserts = map[int64]int{161: lastRows - 1, 162: 1} })
		}, map[string]string{"splits": "inserts by server_id: db1 49 and db2 1"}},
		{"the writer answers reads", func(f *facts) { f.lately[161] = 3 }, map[string]string{"splits": "db1 answered 3"}},
		{"a replica answers no reads", func(f *facts) { f.lately = map[int64]int{} }, map[string]string{"splits": "db2 answered none"}},
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
		v.gap(seen{})
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

func TestErrorsOfTheApplicationAreCountedByKind(t *testing.T) {
	base := time.Now()
	journal, err := load.NewJournal("demo", nil)
	if err != nil {
		t.Fatal(err)
	}
	a := &application{journal: journal}
	for i := range a.last {
		a.last[i] = base
	}
	if got := a.since(base).String(); got != "the application saw no error" {
		t.Errorf("nothing happened: %s", got)
	}
	a.note(0, base.Add(10*time.Millisecond), 162, nil)
	a.note(1, base.Add(20*time.Millisecond), 0, errors.New("connect: refused"))
	a.note(1, base.Add(30*time.Millisecond), 0, errors.New("connect: refused"))
	a.note(2, base.Add(40*time.Millisecond), 0, errors.New("invalid connection"))
	a.note(0, base.Add(310*time.Millisecond), 162, nil)
	saw := a.since(base)
	if got := saw.String(); got != "the application saw 3 errors: it could not connect (2 times), it lost a read (once)" || saw.read < 300*time.Millisecond {
		t.Errorf("%s; longest pause %v", got, saw.read)
	}
	if n := a.since(base.Add(35 * time.Millisecond)).errors(); n != 1 {
		t.Errorf("%d errors since the last one", n)
	}
	if got := a.lately(base.Add(320 * time.Millisecond)); !maps.Equal(got, map[int64]int{162: 2}) {
		t.Errorf("answered by %v", got)
	}
	for _, tt := range []struct {
		o         load.Outcome
		why, want string
	}{
		{load.Refused, "connect: i/o timeout", "could not connect"},
		{load.Refused, "Error 1290", "had an insert refused"},
		{load.Unknown, "invalid connection", "was not told whether an insert happened"},
	} {
		if got := kindOf(tt.o, tt.why, "insert"); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s %q is %q", tt.o, tt.why, got)
		}
	}
}

// A story in which a router refused an insert instead of letting it wait is not true.
func TestRefusedInsertEndsTheStory(t *testing.T) {
	s := story{voice: voice{print: func(string) {}}}
	refused := kindOf(load.Refused, "Error 1290", "insert")
	unsure := kindOf(load.Unknown, "", "insert")
	for _, tt := range []struct {
		kinds map[string]int
		want  error
	}{{nil, nil}, {map[string]int{unsure: 1}, nil}, {map[string]int{unsure: 2}, ErrUntrue}, {map[string]int{refused: 1}, ErrUntrue}} {
		if err := s.heldNotRefused(seen{kinds: tt.kinds}); !errors.Is(err, tt.want) {
			t.Errorf("%v: %v", tt.kinds, err)
		}
	}
	if err := s.seenByNobody(seen{}); err != nil {
		t.Errorf("a planned move without an error: %v", err)
	}
	if err := s.seenByNobody(seen{kinds: map[string]int{unsure: 1}}); !errors.Is(err, ErrUntrue) {
		t.Errorf("a planned move with an error: %v", err)
	}
}
