package vip

import (
	"errors"
	"net/netip"
	"reflect"
	"testing"
	"time"
)

func addrs(texts ...string) []netip.Addr {
	var out []netip.Addr
	for _, s := range texts {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func ours(text string) Entry {
	a := netip.MustParseAddr(text)
	return Entry{Prefix: netip.PrefixFrom(a, a.BitLen()), Marked: true}
}

func foreign(text string) Entry { return Entry{Prefix: netip.MustParsePrefix(text)} }

func TestPlanTouchesOnlyWhatIsMarked(t *testing.T) {
	tests := []struct {
		name    string
		present []Entry
		want    []netip.Addr
		steps   steps
	}{
		{
			name: "nothing there, nothing wanted",
		},
		{
			name:  "what is missing is added in order",
			want:  addrs("192.0.2.114", "192.0.2.113", "2001:db8::1"),
			steps: steps{add: addrs("192.0.2.113", "192.0.2.114", "2001:db8::1")},
		},
		{
			name:    "what is there is kept",
			present: []Entry{ours("192.0.2.113"), ours("2001:db8::1")},
			want:    addrs("192.0.2.113", "2001:db8::1"),
			steps:   steps{keep: addrs("192.0.2.113", "2001:db8::1")},
		},
		{
			name:    "what is not wanted is dropped",
			present: []Entry{ours("2001:db8::1"), ours("192.0.2.113"), ours("192.0.2.112")},
			want:    addrs("192.0.2.113"),
			steps:   steps{drop: addrs("192.0.2.112", "2001:db8::1"), keep: addrs("192.0.2.113")},
		},
		{
			name:    "what others put there stays",
			present: []Entry{foreign("192.0.2.1/24"), foreign("2001:db8::5/64")},
			want:    addrs("192.0.2.113"),
			steps:   steps{add: addrs("192.0.2.113")},
		},
		{
			name:    "a wanted address of others is neither kept nor added",
			present: []Entry{foreign("192.0.2.113/24"), foreign("2001:db8::1/128")},
			want:    addrs("192.0.2.113", "2001:db8::1"),
			steps: steps{foreign: []netip.Prefix{
				netip.MustParsePrefix("192.0.2.113/24"), netip.MustParsePrefix("2001:db8::1/128"),
			}},
		},
		{
			name:    "ours beside the same address with another length: kept, and reported",
			present: []Entry{foreign("192.0.2.113/24"), ours("192.0.2.113")},
			want:    addrs("192.0.2.113"),
			steps: steps{
				keep:    addrs("192.0.2.113"),
				foreign: []netip.Prefix{netip.MustParsePrefix("192.0.2.113/24")},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := plan(tt.present, tt.want); !reflect.DeepEqual(got, tt.steps) {
				t.Errorf("plan = %+v\nwant   %+v", got, tt.steps)
			}
		})
	}
}

func TestOnlyUnicastAddressesAreTaken(t *testing.T) {
	got, err := normal(addrs("::ffff:192.0.2.7", "192.0.2.5", "192.0.2.7"))
	if want := addrs("192.0.2.5", "192.0.2.7"); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("normal = %v, %v, want %v", got, err, want)
	}
	for _, bad := range []string{"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "::1", "fe80::1", "2001:db8::1%eth0"} {
		if got, err := normal(addrs(bad)); !errors.Is(err, ErrNotUnicast) {
			t.Errorf("normal(%s) = %v, %v, want ErrNotUnicast", bad, got, err)
		}
	}
	if _, err := normal([]netip.Addr{{}}); !errors.Is(err, ErrNotUnicast) {
		t.Errorf("normal(invalid) = %v, want ErrNotUnicast", err)
	}
}

func TestLifetimesAreWholeSecondsRoundedUp(t *testing.T) {
	tests := []struct{ left, want time.Duration }{
		{0, time.Second},
		{time.Nanosecond, time.Second},
		{time.Second, time.Second},
		{time.Second + time.Nanosecond, 2 * time.Second},
		{1750 * time.Millisecond, 2 * time.Second},
		{5 * time.Second, 5 * time.Second},
	}
	for _, tt := range tests {
		if got := wholeSeconds(tt.left); got != tt.want {
			t.Errorf("wholeSeconds(%s) = %s, want %s", tt.left, got, tt.want)
		}
	}
}
