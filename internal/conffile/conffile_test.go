package conffile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type form struct {
	Name string   `yaml:"name"`
	Time Duration `yaml:"time"`
	Size Size     `yaml:"size"`
	Etcd Etcd     `yaml:"etcd"`
}

func TestValuesReadWhatTheyWrite(t *testing.T) {
	for _, d := range []time.Duration{0, time.Millisecond, time.Second, 90 * time.Second, time.Minute, 10 * time.Minute, time.Hour, 8 * time.Hour, 90 * time.Minute} {
		var f form
		if err := Parse([]byte("time: "+Duration(d).String()), &f, func() error { return nil }); err != nil || f.Time.D() != d {
			t.Errorf("%s is read as %s, %v", Duration(d), f.Time, err)
		}
	}
	for _, s := range []Size{0, 1, 1023, KiB, 1025, 64 * MiB, 3 * GiB} {
		var f form
		if err := Parse([]byte("size: "+s.String()), &f, func() error { return nil }); err != nil || f.Size != s {
			t.Errorf("%s is read as %s, %v", s, f.Size, err)
		}
	}
	if got := Duration(8 * time.Hour).String(); got != "8h" {
		t.Errorf("8 hours are written %s", got)
	}
}

func TestBadValuesKeepTheirPlace(t *testing.T) {
	for _, text := range []string{"time: fast", "time: -1s", "time: 5", "size: -1", "size: 1MB", "size: 9999999999GiB"} {
		var f form
		err := Parse([]byte("name: x\n"+text+"\n"), &f, func() error { return nil })
		if err == nil || !strings.Contains(err.Error(), "[2:7]") || !strings.Contains(err.Error(), "write ") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestMistakesShowTheirLines(t *testing.T) {
	var f form
	err := Parse([]byte("name: x\netcd:\n  endpoints: [\"http://192.0.2.1:2379\"]\n"), &f, func() error {
		m := NewMistakes()
		m.Add("name", "is wrong")
		m.Add("time", "is missing")
		f.Etcd.Check(m.Of("etcd"))
		return m.Err()
	})
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{"`name` is wrong", "1 | name: x", "`time` is missing", "`etcd.endpoints` has", "3 |   endpoints:"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
}

func TestPlainHTTPGoesToThisHostOnly(t *testing.T) {
	for text, ok := range map[string]bool{
		"endpoints: [\"http://127.0.0.1:2379\"]":                   true,
		"endpoints: [\"http://localhost:2379\"]":                   true,
		"endpoints: [\"http://[::1]:2379\"]":                       true,
		"endpoints: [\"https://192.0.2.1:2379\"]":                  true,
		"endpoints: [\"http://192.0.2.1:2379\"]\n  insecure: true": true,
		"endpoints: [\"http://192.0.2.1:2379\"]":                   false,
		"endpoints: [\"192.0.2.1:2379\"]":                          false,
		"endpoints: []":                                            false,
		"endpoints: [\"http://127.0.0.1:2379\"]\n  ca: /a/b.pem":   false,
	} {
		var f form
		err := Parse([]byte("etcd:\n  "+text+"\n"), &f, func() error {
			m := NewMistakes()
			f.Etcd.Check(m.Of("etcd"))
			return m.Err()
		})
		if (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestPasswordFileIsOneLineAndPrivate(t *testing.T) {
	if pw, err := Password("pw", write(t, "s3cret \n", 0o600)); err != nil || pw != "s3cret " {
		t.Errorf("%q, %v", pw, err)
	}
	if pw, err := Password("pw", ""); err != nil || pw != "" {
		t.Errorf("no file: %q, %v", pw, err)
	}
	if _, err := Password("pw", write(t, "x", 0o604)); err == nil || !strings.Contains(err.Error(), "chmod 0600") {
		t.Errorf("readable by everybody: %v", err)
	}
	if _, err := Password("pw", filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "pw") {
		t.Errorf("missing: %v", err)
	}
}

func write(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask says
		t.Fatal(err)
	}
	return path
}

func TestEveryMistakeIsNamedAlsoWhatCannotBeRead(t *testing.T) {
	var f form
	text := "name: x\ntime: fast\nsiez: 3\netcd: {endpoints: [\"http://192.0.2.1:2379\"], insecure: perhaps, cert: {a: b}}\nsize: 1MB\n"
	err := Parse([]byte(text), &f, func() error {
		m := NewMistakes()
		m.Add("name", "is wrong")
		m.Add("time", "is 0")           // because it could not be read
		m.Add("etcd.insecure", "is no") // likewise
		f.Etcd.Check(m.Of("etcd"))
		return m.Err()
	})
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{"[2:7]", "\"fast\" is not a duration", "[3:1]", "siez", "[4:56] this is a text: write true or false", "[4:71] this is keys with values", "unknown field \"siez\": correct the word", "[5:7]", "1MB", "`name` is wrong", "`etcd.endpoints` has"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "is 0") || strings.Contains(err.Error(), "is no\n") {
		t.Errorf("what could not be read is said to be wrong once more:\n%v", err)
	}
	if err := Parse([]byte("name: [x\ntime: fast\n"), &f, func() error { return nil }); err == nil || !strings.Contains(err.Error(), "[2:1]") {
		t.Errorf("no YAML: %v", err)
	}
	if err := Parse([]byte("just a word\n"), &f, func() error { return nil }); err == nil {
		t.Error("a word is taken")
	}
}
