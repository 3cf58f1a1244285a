package agent

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/router"
	"github.com/mmm-ha/mmm/topology"
)

// page serves an answer to /status, and returns where.
func page(t *testing.T, code int, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/status" {
			code = http.StatusNotFound
		}
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// The page that is read is the one that mmmrouter serves.
func TestAgentReadsTheStatusOfItsRouter(t *testing.T) {
	body, err := json.Marshal(router.Status{
		Version: "1.2.0", Why: "there is no writer", View: router.Cluster{Epoch: 7, Writer: "db1", Fresh: true},
		Sessions: router.Sessions{Connected: 20, LoggedIn: 12, Limit: 1000},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := sayings{admin: page(t, http.StatusOK, string(body))}
	word, err := s.ask(t.Context(), http.DefaultClient)
	want := topology.RouterWord{Version: "1.2.0", Why: "there is no writer", Epoch: 7, Writer: "db1", Fresh: true, Sessions: 12, Limit: 1000}
	if err != nil || word != want {
		t.Errorf("%+v, %v; want %+v", word, err, want)
	}
}

func TestRouterWhosePagesCannotBeReadIsSaidToBe(t *testing.T) {
	for _, tt := range []struct{ name, admin, why string }{
		{"another service", page(t, http.StatusOK, "hello"), "what answers there is not mmmrouter"},
		{"an error", page(t, http.StatusServiceUnavailable, ""), "503"},
		{"nobody", "127.0.0.1:1", "connection refused"},
		{"a process that is frozen", answers(t, ""), "no answer in time"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := sayings{admin: tt.admin}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); _ = s.run(ctx) }()
			end := time.Now().Add(10 * time.Second)
			for s.last.Load() == nil && time.Now().Before(end) {
				time.Sleep(time.Millisecond)
			}
			cancel()
			<-done
			if w := s.last.Load(); w == nil || !strings.Contains(w.Unknown, "at "+tt.admin) || !strings.Contains(w.Unknown, tt.why) {
				t.Errorf("%+v, want %q", w, tt.why)
			}
		})
	}
}

func TestRouterAdminIsAnAddress(t *testing.T) {
	cfg := defaults()
	cfg.Host, cfg.Cluster, cfg.Router.Admin = "router1", "shop", "9990"
	if err := cfg.validate(); err == nil || !strings.Contains(err.Error(), "`router.admin` is \"9990\"") {
		t.Errorf("%v", err)
	}
	cfg.Router.Admin = ""
	if err := cfg.validate(); err != nil {
		t.Errorf("not asked: %v", err)
	}
}
