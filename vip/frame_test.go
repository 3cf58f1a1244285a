package vip

import (
	"encoding/hex"
	"net"
	"slices"
	"strings"
	"testing"
)

var testMAC = net.HardwareAddr{0x02, 0, 0, 0, 0, 0x01}

// bytesOf reads hexadecimal text; blanks are for the reader.
func bytesOf(t *testing.T, text ...string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(strings.Join(text, ""), " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAnnouncementsAreTheFramesOfTheStandards(t *testing.T) {
	padding := strings.Repeat("00", 18)
	tests := []struct {
		name   string
		addr   string
		to     string
		frames [][]byte
	}{
		{
			name: "gratuitous ARP, as a request and as a reply",
			addr: "192.0.2.113",
			to:   "ff:ff:ff:ff:ff:ff",
			frames: [][]byte{
				bytesOf(t, "ffffffffffff 020000000001 0806", "0001 0800 06 04 0001",
					"020000000001 c0000271 000000000000 c0000271", padding),
				bytesOf(t, "ffffffffffff 020000000001 0806", "0001 0800 06 04 0002",
					"020000000001 c0000271 020000000001 c0000271", padding),
			},
		},
		{
			name: "unsolicited neighbour advertisement that overrides",
			addr: "2001:db8::113",
			to:   "33:33:00:00:00:01",
			frames: [][]byte{
				bytesOf(t, "333300000001 020000000001 86dd", "60000000 0020 3a ff",
					"20010db8000000000000000000000113", "ff020000000000000000000000000001",
					"88 00 f706 20000000", "20010db8000000000000000000000113", "02 01 020000000001"),
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			frames, to := announcements(testMAC, addrs(tt.addr)[0])
			if to.String() != tt.to {
				t.Errorf("sent to %s, want %s", to, tt.to)
			}
			if !slices.EqualFunc(frames, tt.frames, slices.Equal) {
				t.Errorf("frames are\n%x\nwant\n%x", frames, tt.frames)
			}
		})
	}
}

func TestQuestionClaimsNothing(t *testing.T) {
	frame, _ := question(testMAC, addrs("192.0.2.113")[0])
	if want := bytesOf(t, "020000000001 00000000 000000000000 c0000271"); !slices.Equal(frame[22:42], want) {
		t.Errorf("ARP question is %x, want %x", frame[22:42], want)
	}
	frame, to := question(testMAC, addrs("2001:db8::12:3456")[0])
	if to.String() != "33:33:ff:12:34:56" {
		t.Errorf("solicitation goes to %s", to)
	}
	if !slices.Equal(frame[22:38], make([]byte, 16)) {
		t.Errorf("solicitation comes from %x, want the unspecified address", frame[22:38])
	}
}

func TestAnswerIsReadOnlyFromWhatSpeaksForTheAddress(t *testing.T) {
	for _, addr := range addrs("192.0.2.113", "2001:db8::113") {
		frames, _ := announcements(testMAC, addr)
		for _, f := range frames {
			if got := answer(f, addr); got.String() != testMAC.String() {
				t.Errorf("answer for %s = %v, want %v", addr, got, testMAC)
			}
			for _, other := range addrs("192.0.2.114", "2001:db8::114") {
				if got := answer(f, other); got != nil {
					t.Errorf("answer for %s taken from a frame of %s", other, addr)
				}
			}
			for n := range 40 {
				if got := answer(f[:n], addr); got != nil {
					t.Errorf("answer for %s taken from %d bytes", addr, n)
				}
			}
		}
		q, _ := question(testMAC, addr)
		if got := answer(q, addr); got != nil {
			t.Errorf("the question for %s was taken for an answer", addr)
		}
	}
	// One hop more than a neighbour's: it was sent from elsewhere.
	frames, _ := announcements(testMAC, addrs("2001:db8::113")[0])
	frames[0][etherLen+7] = 254
	if answer(frames[0], addrs("2001:db8::113")[0]) != nil {
		t.Error("an advertisement from beyond the link was believed")
	}
}

func FuzzAnswerSurvivesAnyFrame(f *testing.F) {
	for _, addr := range addrs("192.0.2.113", "2001:db8::113") {
		frames, _ := announcements(testMAC, addr)
		f.Add(frames[0])
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		for _, addr := range addrs("192.0.2.113", "2001:db8::113") {
			if mac := answer(frame, addr); mac != nil && len(mac) != 6 {
				t.Errorf("answer = %v, want 6 bytes", mac)
			}
		}
	})
}
