package main

import (
	"os"
	"strings"
	"testing"
)

// mapped is how much of the program stands in this process's page table, in KB.
func mapped(t *testing.T) (kb int64) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "RssFile:"); ok {
			for _, c := range strings.Fields(rest)[0] {
				kb = kb*10 + int64(c-'0')
			}
		}
	}
	return kb
}

func TestPagesOfTheStartAreGivenBackAndTheProgramGoesOn(t *testing.T) {
	before := mapped(t)
	if err := giveBackPages(); err != nil {
		t.Fatal(err)
	}
	after := mapped(t)
	t.Logf("%d KB of the program before, %d KB after", before, after)
	if after >= before {
		t.Errorf("%d KB are mapped, %d before", after, before)
	}
}

func TestSmapsAreReadAsTheKernelWritesThem(t *testing.T) {
	got, err := regionsOf(strings.NewReader(`00400000-00cd9000 r-xp 00000000 fe:00 10026705                           /opt/my app/mmmrouter
Size:               9060 kB
Rss:                8676 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
01749000-017cb000 rw-p 01349000 fe:00 10026705                           /opt/my app/mmmrouter
Rss:                 456 kB
Anonymous:           168 kB
351276c00000-351278400000 rw-p 00000000 00:00 0 
Anonymous:         18536 kB
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []region{
		{0x400000, 0xcd9000, "/opt/my app/mmmrouter", false, 0},
		{0x1749000, 0x17cb000, "/opt/my app/mmmrouter", true, 168},
		{0x351276c00000, 0x351278400000, "", true, 18536},
	}
	if len(got) != len(want) {
		t.Fatalf("%d regions, want %d: %v", len(got), len(want), got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("region %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestMemoryIsGivenBackOnceWhenACrowdHasCome(t *testing.T) {
	var c crowd
	for i, look := range []struct {
		come uint64
		want bool
	}{
		{0, false}, {99, false}, {99, false}, // too few
		{150, false}, {1000, false}, {1000, true}, {1000, false}, // calm, once
		{1010, false}, {1010, false}, {1100, false}, {1100, true},
	} {
		if got := c.passed(look.come); got != look.want {
			t.Errorf("look %d, %d have come: %t, want %t", i+1, look.come, got, look.want)
		}
	}
}
