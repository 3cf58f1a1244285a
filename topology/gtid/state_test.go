package gtid

import (
	"slices"
	"strings"
	"testing"
)

func state(t testing.TB, text string) State {
	t.Helper()
	s, err := ParseState(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStateRemembersEveryServerAndWhoWasLast(t *testing.T) {
	tests := []struct{ name, text, want, position string }{
		{"empty", " ", "", ""},
		{"one", "0-1-27", "0-1-27", "0-1-27"},
		{"the last of a domain is its position", "0-1-27,0-2-28", "0-1-27,0-2-28", "0-2-28"},
		{"even if its number is lower", "0-1-10,0-2-3", "0-1-10,0-2-3", "0-2-3"},
		{"or its server id", "0-9-10,0-5-12", "0-9-10,0-5-12", "0-5-12"},
		{"the others are put in order", "0-9-10,0-1-10,0-2-3,0-5-12", "0-1-10,0-2-3,0-9-10,0-5-12", "0-5-12"},
		{"domains are put in order", "7-2-1,0-1-10", "0-1-10,7-2-1", "0-1-10,7-2-1"},
		{"domains may be mixed", "0-1-5,1-1-1,0-2-6", "0-1-5,0-2-6,1-1-1", "0-2-6,1-1-1"},
		{"number 0 is no transaction", "0-1-5,0-2-0", "0-1-5", "0-1-5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := state(t, tt.text)
			if got := s.String(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if got := s.Position().String(); got != tt.position {
				t.Errorf("position is %q, want %q", got, tt.position)
			}
		})
	}
}

func TestBadStateIsRefusedWithPieceAndPlace(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"a pair twice", "0-1-5,0-2-6,0-1-7", `"0-1-7" at character 13: a state has only one gtid of domain 0 and server 1`},
		{"of MySQL", uuidA + ":1-5", "a gtid is domain-server-number"},
		{"cut off", "0-1-5,0-2", `"0-2" at character 7`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if s, err := ParseState(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q and %v, want %s", s, err, tt.want)
			}
		})
	}
}

func TestErrantNamesWhatTheOtherLacks(t *testing.T) {
	tests := []struct {
		name, mine, theirs string
		want               []string
	}{
		{"nothing on either side", "", "", nil},
		{"the same", "0-1-26,0-2-30", "0-1-26,0-2-30", nil},
		{"the old writer's unsent transaction", "0-1-27", "0-1-26,0-2-27", []string{"0-1-27"}},
		{"the old writer's, seen when the new one is far ahead", "0-1-27", "0-1-26,0-2-900", []string{"0-1-27"}},
		{"only behind", "0-1-26", "0-1-27", nil},
		{"never heard of the server", "0-1-26,0-3-27", "0-1-26,0-2-40", []string{"0-3-27"}},
		{"never heard of the domain", "0-1-26,1-1-1", "0-1-26", []string{"1-1-1"}},
		{"several, in order", "1-1-9,0-3-5,0-2-7", "0-1-4", []string{"0-3-5", "0-2-7", "1-1-9"}},
		{"the same number from another server is not it", "0-2-5", "0-1-5", []string{"0-2-5"}},
		{"all of a server that has nothing yet", "0-1-5", "", []string{"0-1-5"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Errant(state(t, tt.mine), state(t, tt.theirs)); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
