package demo

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.RunTests(m)) }

func TestWholeStoryIsTrueOnRealServers(t *testing.T) {
	lab.Require(t, "netns", "mariadb", "etcd")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	bed, err := lab.New(ctx, lab.Options{BinDir: os.Getenv("MMM_BIN"), AutoSetOnline: AutoSetOnline, Hosts: Hosts()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bed.Close(); err != nil {
			t.Error(err)
		}
	})
	var lines []string
	err = Run(ctx, Options{Bed: bed, Print: func(s string) { lines = append(lines, s) }, Began: time.Now()})
	if err != nil {
		t.Errorf("%v\n%s", err, strings.Join(lines, "\n"))
	}
}

func TestStoryWithAnUntrueFactEndsWithAnError(t *testing.T) {
	var lines []string
	s := story{voice: voice{print: func(line string) { lines = append(lines, line) }}, cast: two}
	claims := []claim{two.writerIs("db1"), two.readersOn("db1", "db2")}
	if err := s.judge(good(t, nil), claims); err != nil {
		t.Errorf("the truth was not believed: %v", err)
	}
	lie := good(t, func(f *facts) { f.carries["192.0.2.113"] = []string{"db1", "db2"} })
	if err := s.judge(lie, claims); !errors.Is(err, ErrUntrue) {
		t.Errorf("a VIP on two hosts: %v, want ErrUntrue", err)
	}
	if !strings.Contains(strings.Join(lines, "\n"), "seen: 192.0.2.113 is on the interfaces of db1 and db2") {
		t.Errorf("what was seen is not said:\n%s", strings.Join(lines, "\n"))
	}
}
