package storm

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/mmm-ha/mmm/chaos/history"
)

func TestSeedDecidesThePlan(t *testing.T) {
	one, err := Plan(7, nil, false, false, 50)
	if err != nil {
		t.Fatal(err)
	}
	two, _ := Plan(7, nil, false, false, 50)
	other, _ := Plan(8, nil, false, false, 50)
	if !slices.Equal(one, two) {
		t.Error("one seed gave two plans")
	}
	if slices.Equal(one, other) {
		t.Error("two seeds gave one plan")
	}
	if _, err := Plan(7, []string{"kil"}, false, false, 1); err == nil || !strings.Contains(err.Error(), "disk-stall") {
		t.Errorf("an unknown fault: %v", err)
	}
}

func TestEveryClassComesBeforeOneComesTwice(t *testing.T) {
	p, err := newPlanner(3, nil, true, false)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for range classes {
		seen[p.next().faults[0].class.Name]++
	}
	if len(seen) != len(classes) {
		t.Errorf("%d of %d classes in the first round", len(seen), len(classes))
	}
}

func TestPairsAreOfTwoFamilies(t *testing.T) {
	p, err := newPlanner(1, nil, false, false)
	if err != nil {
		t.Fatal(err)
	}
	pairs := 0
	for range 1000 {
		s := p.next()
		if len(s.faults) < 2 {
			continue
		}
		pairs++
		a, b := s.faults[0].class, s.faults[1].class
		if a.family == b.family || a.alone || b.alone {
			t.Fatalf("%s", s)
		}
	}
	if pairs < 100 {
		t.Errorf("%d pairs among 1000 strikes", pairs)
	}
}

func TestTableOfClassesIsWellFormed(t *testing.T) {
	names := map[string]bool{}
	for _, c := range classes {
		switch {
		case names[c.Name]:
			t.Errorf("%s is there twice", c.Name)
		case c.Says == "" || c.family == "" || len(c.on) == 0:
			t.Errorf("%s: something is not said", c.Name)
		case c.do == nil || c.undo == nil || c.bites == nil || c.ends == nil:
			t.Errorf("%s: a hand or a probe is missing", c.Name)
		case c.hold[0] > c.hold[1]:
			t.Errorf("%s: held from %v to %v", c.Name, c.hold[0], c.hold[1])
		}
		names[c.Name] = true
	}
}

// printed is what mariadb-binlog says of a reign's first row, an insert, a
// transfer and a row that was changed.
const printed = "#261122 22:37:29 server id 161  end_log_pos 800 CRC32 0xdb143115 \tGTID 0-161-1000001 trans\n" +
	"### INSERT INTO `mmm`.`epoch`\n### SET\n###   @1=1000001\n###   @2='x'\n###   @3=577\n###   @4='db1'\n" +
	"#261122 22:37:29 server id 161  end_log_pos 800 CRC32 0xdb143115 \tGTID 0-161-1000002 cid=7 trans\n" +
	"### INSERT INTO `app`.`rows`\n### SET\n###   @1=1\n###   @2='insert1'\n###   @3=5\n###   @4=161\n" +
	"#261122 22:37:29 server id 162  end_log_pos 800 CRC32 0xdb143115 \tGTID 0-162-1000003 trans\n" +
	"### UPDATE `app`.`bank`\n### WHERE\n###   @1=1\n###   @2=100\n###   @3=9\n### SET\n###   @1=1\n###   @2=90\n###   @3=9\n" +
	"### INSERT INTO `app`.`rows`\n### SET\n###   @1=2\n###   @2='transfer2'\n###   @3=6\n###   @4=161\n" +
	"#261122 22:37:29 server id 161  end_log_pos 800 CRC32 0xdb143115 \tGTID 0-161-1000004 ddl\n"

func TestBinlogIsRead(t *testing.T) {
	var got []history.Commit
	if err := parseBinlog("db2", strings.NewReader(printed), func(c history.Commit) { got = append(got, c) }); err != nil {
		t.Fatal(err)
	}
	want := []history.Commit{
		{Host: "db2", GTID: "0-161-1000001", Server: 161, Seq: 1000001, Epoch: 577},
		{Host: "db2", GTID: "0-161-1000002", Server: 161, Seq: 1000002, Client: true, Rows: []history.RowID{{Client: "insert1", ID: 5}}},
		{Host: "db2", GTID: "0-162-1000003", Server: 162, Seq: 1000003, Client: true, Rows: []history.RowID{{Client: "transfer2", ID: 6}}},
		{Host: "db2", GTID: "0-161-1000004", Server: 161, Seq: 1000004},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if err := parseBinlog("db2", strings.NewReader("#2 GTID x"), func(history.Commit) {}); err == nil {
		t.Error("a line without a GTID was read")
	}
}

func TestRoutersAreStruckOnlyWhenThereAreSome(t *testing.T) {
	for _, routers := range []bool{false, true} {
		p, err := newPlanner(5, nil, true, routers)
		if err != nil {
			t.Fatal(err)
		}
		struck := 0
		for range classesFor(routers) {
			if p.next().faults[0].class.family == routerFamily {
				struck++
			}
		}
		if want := map[bool]int{true: len(routerClasses)}[routers]; struck != want {
			t.Errorf("routers %t: %d strikes of %d", routers, struck, want)
		}
	}
	if _, err := newPlanner(5, []string{"router-kill"}, true, false); err == nil {
		t.Error("a bed without routers takes a fault of routers")
	}
}
