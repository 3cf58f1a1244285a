package agent

import (
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A server that is down, or accepts nobody, is what an agent is there for.
func TestAgentOpensBesideAServerThatDoesNotAnswer(t *testing.T) {
	for _, hangs := range []bool{false, true} {
		r := newRig(t)
		r.opt.MySQL = MySQLConfig{Socket: filepath.Join(t.TempDir(), "s"), User: "mmm_agent"}
		if hangs {
			l, err := net.Listen("unix", r.opt.MySQL.Socket)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = l.Close() }()
		}
		if err := r.openServer(bounded(t)); err != nil {
			t.Fatalf("hangs %t: %v", hangs, err)
		}
		if p := r.prober.look(bounded(t)); p.Up || p.Why == "" {
			t.Errorf("hangs %t: %+v", hangs, p)
		}
		r.server.Close()
	}
}

func TestVIPOfAStrangerIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := bubble(t)
		r.etcd.cluster = cluster()
		r.etcd.cluster.Writer.Rev = 0
		if err := r.checkAddresses(t.Context()); err != nil {
			t.Fatalf("nobody answers: %v", err)
		}
		r.vips.kernel.Answer(readerVIP, []byte{2, 0, 0, 0, 0, 9})
		err := r.checkAddresses(t.Context())
		if err == nil || !strings.Contains(err.Error(), "02:00:00:00:00:09") {
			t.Errorf("a stranger: %v", err)
		}
	})
}

// The last holder of a VIP may answer for as long as its lifetime lasts.
func TestVIPOfTheLastHolderIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := bubble(t)
		r.etcd.cluster = cluster()
		r.vips.kernel.Answer(readerVIP, []byte{2, 0, 0, 0, 0, 9})
		time.AfterFunc(time.Second, func() { r.vips.kernel.Answer(readerVIP, nil) })
		if err := r.checkAddresses(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestKnownVIPsAreNotAskedFor(t *testing.T) {
	r := newRig(t)
	r.etcd.cluster = cluster() // db1 reigns
	r.etcd.cluster.Spec.Value.Roles.Reader.VIPs = nil
	r.vips.kernel.Answer(writerVIP, []byte{2, 0, 0, 0, 0, 1})
	if err := r.checkAddresses(bounded(t)); err != nil {
		t.Errorf("the VIP of the writer: %v", err)
	}
	if got := (Config{RunDir: "/run/mmm"}).Pidfile(); got != "/run/mmm/mmmagent.pid" {
		t.Error(got)
	}
	var p noPorts
	if p.Reject(t.Context(), []netip.Addr{db2}, 1) != nil || p.Refuse(t.Context(), nil, 1) != nil {
		t.Error("no packet filter is no error")
	}
}
