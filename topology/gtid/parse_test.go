package gtid

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// Two servers of MySQL, as its manual writes them.
const (
	uuidA = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
	uuidB = "2174b383-5441-11e8-b90a-c80aa9429562"
)

// set parses a text in which A and B before a colon stand for the two uuids.
func set(t testing.TB, text string) Set {
	t.Helper()
	s, err := Parse(long(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func long(text string) string {
	return strings.NewReplacer("A:", uuidA+":", "A :", uuidA+" :", "B:", uuidB+":", "B :", uuidB+" :").Replace(text)
}

func TestSetIsReadHoweverItIsWritten(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", "", ""},
		{"blank", " \t\r\n ", ""},
		{"one gtid", "0-1-100", "0-1-100"},
		{"two domains", "0-1-100,1-2-5", "0-1-100,1-2-5"},
		{"domains out of order", "1-2-5,0-1-100", "0-1-100,1-2-5"},
		{"domains are numbers, not text", "10-1-1,9-1-1", "9-1-1,10-1-1"},
		{"blanks and lines", " 0-1-100 ,\r\n\t1-2-5\n", "0-1-100,1-2-5"},
		{"zeros in front", "00-01-05", "0-1-5"},
		{"largest values", "4294967295-4294967295-18446744073709551615", "4294967295-4294967295-18446744073709551615"},
		{"number 0 is no transaction", "0-1-0,1-1-1", "1-1-1"},
		{"nothing but number 0", "0-1-0", ""},
		{"one of MySQL", "A:23", "A:23"},
		{"a range", "A:1-5", "A:1-5"},
		{"a range of one", "A:7-7", "A:7"},
		{"ranges", "A:1-3:11:47-49", "A:1-3:11:47-49"},
		{"two servers", "A:1-3,B:1-19", "B:1-19,A:1-3"},
		{"as the server breaks lines", "B:1-19,\nA:1-3", "B:1-19,A:1-3"},
		{"blanks everywhere", " A : 1 - 3 : 11 , B : 5 ", "B:5,A:1-3:11"},
		{"capitals", strings.ToUpper(uuidA) + ":1", "A:1"},
		{"ranges out of order", "A:47-49:1-3", "A:1-3:47-49"},
		{"ranges that touch", "A:1-3:4-6:7", "A:1-7"},
		{"ranges that overlap", "A:1-30:10-20:25-40", "A:1-40"},
		{"a server named twice", "A:1-3,B:1,A:4", "B:1,A:1-4"},
		{"a tag", "A:backup:1-3", "A:backup:1-3"},
		{"tags after plain numbers", "A:1-5:backup:1-3:7:etl:2", "A:1-5:backup:1-3:7:etl:2"},
		{"tags out of order", "A:etl:2:backup:1", "A:backup:1:etl:2"},
		{"a tag in capitals", "A:Backup_2:1", "A:backup_2:1"},
		{"a tag and the plain numbers are two things", "A:1:t:2,A:2", "A:1-2:t:2"},
		{"largest number of MySQL", "A:9223372036854775806", "A:9223372036854775806"},
		{"both ways at once", "A:1-3,0-1-5", "0-1-5,A:1-3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := set(t, tt.text)
			if s := got.String(); s != long(tt.want) {
				t.Errorf("got %q, want %q", s, long(tt.want))
			}
			if again := set(t, got.String()); !reflect.DeepEqual(again, got) {
				t.Errorf("read again it is %#v, was %#v", again, got)
			}
			if got.Empty() != (tt.want == "") || got.Empty() != reflect.DeepEqual(got, Set{}) {
				t.Errorf("Empty() is %v", got.Empty())
			}
		})
	}
}

func TestBadSetIsRefusedWithPieceAndPlace(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"a word", "hello", `"hello" at character 1: a gtid is domain-server-number for MariaDB, uuid:numbers for MySQL`},
		{"two numbers", "0-1", `"0-1" at character 1`},
		{"four numbers", "0-1-2-3", `"0-1-2-3" at character 1`},
		{"nothing between commas", "0-1-5,,1-1-1", `"" at character 7`},
		{"comma at the end", "0-1-5,", `"" at character 7`},
		{"comma alone", ",", `"" at character 1`},
		{"domain too large", "4294967296-1-1", `"4294967296" at character 1: the domain must be a number from 0 to 4294967295`},
		{"server id too large", "0-1-1, 1-4294967296-1", `"4294967296" at character 10: the server id must`},
		{"number too large", "0-1-18446744073709551616", `"18446744073709551616" at character 5: the sequence number must`},
		{"a sign", "0-1-+5", `"+5" at character 5`},
		{"a letter", "0-x-5", `"x" at character 3: the server id`},
		{"hexadecimal", "0-1-0x5", `"0x5" at character 5`},
		{"domain twice", "0-1-5,1-1-1,0-2-6", `"0-2-6" at character 13: a position has only one gtid of domain 0`},
		{"domain twice, once as number 0", "0-1-0,0-1-1", `"0-1-1" at character 7`},
		{"no uuid", "1:2", `"1" at character 1: a set of MySQL begins with a uuid`},
		{"uuid too short", uuidA[1:] + ":1", `at character 1: a set of MySQL begins with a uuid`},
		{"uuid with a wrong digit", "g" + uuidA[1:] + ":1", `at character 1: a set of MySQL begins with a uuid`},
		{"uuid with its groups elsewhere", "3e11fa4-771ca-11e1-9e33-c80aa9429562:1", "begins with a uuid"},
		{"uuid alone", uuidA, "a gtid is domain-server-number"},
		{"nothing after the colon", "A:", `"" at character 38: the transaction must be a number`},
		{"number 0", "A:0", `"0" at character 38: the first transaction has number 1`},
		{"range from 0", "A:0-5", `"0-5" at character 38: the first transaction has number 1`},
		{"backwards", "A:1:5-3", `"5-3" at character 40: the range runs backwards`},
		{"three ends", "A:1-2-3", `"1-2-3" at character 38: a range has two ends`},
		{"open range", "A:1-", `"" at character 40: the transaction must be a number from 0 to 9223372036854775806`},
		{"too large for MySQL", "A:9223372036854775807", `"9223372036854775807" at character 38`},
		{"a tag without numbers", "A:1:tag", `"tag" at character 40: no number follows the tag`},
		{"two tags at once", "A:x:y:1", `"x" at character 38: no number follows the tag`},
		{"a tag too long", "A:" + strings.Repeat("t", 33) + ":1", `at character 38: the transaction must be a number`},
		{"a tag that begins with a digit", "A:1x:1", `"1x" at character 38`},
		{"a tag with a strange letter", "A:täg:1", `at character 38`},
		{"a tag with a control character", "A:t\x11:1", `at character 38`},
		{"the bad one is the second", "A:1,B:x", `"x" at character 77: no number follows the tag`},
		{"a long piece is cut", strings.Repeat("9", 500), `"` + strings.Repeat("9", 60) + `..." at character 1`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(long(tt.text))
			if err == nil {
				t.Fatalf("accepted as %q", got)
			}
			if msg := err.Error(); !strings.HasPrefix(msg, "parse gtids: ") || !strings.Contains(msg, tt.want) {
				t.Errorf("got  %s\nwant %s", msg, tt.want)
			}
			if !got.Empty() {
				t.Errorf("an error, and yet %q", got)
			}
		})
	}
}

func TestParseFlavorRefusesTheOtherFlavor(t *testing.T) {
	tests := []struct {
		name   string
		flavor Flavor
		text   string
		want   string // of the error; empty: accepted
	}{
		{"MariaDB's own", MariaDB, "0-1-5", ""},
		{"MySQL's own", MySQL, "A:1-5", ""},
		{"empty is everybody's", MySQL, "", ""},
		{"empty is even nobody's", 0, " ", ""},
		{"MySQL's to MariaDB", MariaDB, "A:1-5", "at character 1: expected domain-server-number"},
		{"MariaDB's to MySQL", MySQL, "A:1,0-1-5", `"0-1-5" at character 40: expected uuid:numbers`},
		{"anything to nobody", 0, "0-1-5", "expected the empty set"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseFlavor(tt.flavor, long(tt.text))
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestSetSurvivesJSON(t *testing.T) {
	type record struct {
		Position Set   `json:"position"`
		State    State `json:"state"`
		Closed   *Set  `json:"closed,omitempty"`
	}
	var empty, got record
	text, err := json.Marshal(empty)
	if want := `{"position":"","state":""}`; err != nil || string(text) != want {
		t.Errorf("the empty record is %s (%v), want %s", text, err, want)
	}
	state, err := ParseState("0-1-27,0-2-28")
	if err != nil {
		t.Fatal(err)
	}
	closed := set(t, "A:1-5")
	want := record{Position: set(t, "0-2-28"), State: state, Closed: &closed}
	if text, err = json.Marshal(want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s became %#v (%v)", text, got, err)
	}
	if err := json.Unmarshal([]byte(`{"position":"0-1"}`), &got); err == nil || got.Position.String() != "0-2-28" {
		t.Errorf("after %v the position is %s", err, got.Position)
	}
	if err := json.Unmarshal([]byte(`{"state":"0-1"}`), &got); err == nil || got.State.String() != "0-1-27,0-2-28" {
		t.Errorf("after %v the state is %s", err, got.State)
	}
}

func TestEveryValueHasItsWord(t *testing.T) {
	for want, got := range map[string]interface{ String() string }{
		"equal": Equal, "before": Before, "after": After, "diverged": Diverged, "invalid order 0": Order(0),
		"MariaDB": MariaDB, "MySQL": MySQL, "invalid flavor 0": Flavor(0),
	} {
		if got.String() != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
