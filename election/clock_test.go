package election

import (
	"testing"
	"time"
)

// R2.
func TestMargin(t *testing.T) {
	tests := []struct {
		name      string
		ttl, want time.Duration
	}{
		{name: "fast profile", ttl: time.Second, want: 150 * time.Millisecond},
		{name: "lan profile", ttl: 2 * time.Second, want: 250 * time.Millisecond},
		{name: "up to 11 s the same", ttl: 11 * time.Second, want: 250 * time.Millisecond},
		{name: "then the drift counts", ttl: 60 * time.Second, want: 740 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Margin(tt.ttl); got != tt.want {
				t.Errorf("margin of %s is %s, want %s", tt.ttl, got, tt.want)
			}
		})
	}
}

func TestOptionsMayOnlyRaiseTheMargin(t *testing.T) {
	for name, tt := range map[string]struct{ asked, want time.Duration }{
		"higher": {asked: 400 * time.Millisecond, want: 400 * time.Millisecond},
		"lower":  {asked: 10 * time.Millisecond, want: 250 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			s := Session{opt: Options{Margin: func(time.Duration) time.Duration { return tt.asked }}}
			if got := s.margin(2 * time.Second); got != tt.want {
				t.Errorf("margin is %s, want %s", got, tt.want)
			}
		})
	}
}

// R1: both clocks must be before the deadline.
func TestDeadlineIsTheNearerOfBothClocks(t *testing.T) {
	start := time.Now()
	at := func(mono, boot time.Duration) Instant { return Instant{mono: start.Add(mono), boot: boot} }
	d := at(0, 0).Deadline(time.Second)
	tests := []struct {
		name string
		now  Instant
		want time.Duration
	}{
		{name: "at once", now: at(0, 0), want: time.Second},
		{name: "both went on", now: at(400e6, 400e6), want: 600 * time.Millisecond},
		{name: "suspended", now: at(0, 900e6), want: 100 * time.Millisecond},
		{name: "boottime passed", now: at(0, 3e9), want: -2 * time.Second},
		{name: "monotonic passed", now: at(3e9, 0), want: -2 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := d.Left(tt.now); got != tt.want || d.Passed(tt.now) != (tt.want <= 0) {
				t.Errorf("left is %s, passed %v, want %s", got, d.Passed(tt.now), tt.want)
			}
		})
	}
}

func TestDeadlineIsAfterOnlyWhenBothClocksSaySo(t *testing.T) {
	start := time.Now()
	at := func(mono, boot time.Duration) Deadline { return Instant{mono: start.Add(mono), boot: boot}.Deadline(0) }
	tests := []struct {
		name string
		d, o Deadline
		want bool
	}{
		{name: "later", d: at(2, 2), o: at(1, 1), want: true},
		{name: "equal", d: at(1, 1), o: at(1, 1)},
		{name: "mixed", d: at(2, 1), o: at(1, 2)},
		{name: "earlier", d: at(1, 1), o: at(2, 2)},
		{name: "than nothing", d: at(1, 1), want: true},
		{name: "nothing", o: at(1, 1)},
		{name: "nothing than nothing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.d.After(tt.o); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestZeroDeadlineHasPassed(t *testing.T) {
	if !(Deadline{}).Passed(Clock{}.Now()) || !(Deadline{}).Passed(Instant{}) {
		t.Error("the zero deadline lets something live")
	}
}

func TestRealClocksGoOn(t *testing.T) {
	before := Clock{}.Now()
	d := before.Deadline(time.Hour)
	if left := d.Left(Clock{}.Now()); left > time.Hour || left < 59*time.Minute {
		t.Errorf("%s of an hour are left", left)
	}
	if (Clock{}).Now().boot <= 0 {
		t.Error("boottime is not positive")
	}
}
