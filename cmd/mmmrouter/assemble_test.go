package main

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/router"
	"github.com/mmm-ha/mmm/router/auth"
	"github.com/mmm-ha/mmm/router/follow"
)

func TestThePasswordOfTheAccountIsReadEachTimeAndTheWriterIsWaitedFor(t *testing.T) {
	p := &parts{follower: follow.New(follow.Options{})}
	password := file(t, "password", "s3cret\n")
	users := router.Users{Account: "mmm_router", PasswordFile: password}
	read := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		return p.readAccounts(ctx, users, func(_, _, _ string) { t.Error("an account of nobody") })
	}
	if err := read(); err == nil || !strings.Contains(err.Error(), "there is no writer to read them from: etcd has not answered yet") {
		t.Errorf("without a writer: %v", err)
	}
	if err := os.Remove(password); err != nil {
		t.Fatal(err)
	}
	if err := read(); err == nil || !strings.Contains(err.Error(), "`users.passwordFile`") {
		t.Errorf("without its password: %v", err)
	}
}

func TestARouterThatIsToldOfNoUsersSaysSo(t *testing.T) {
	var said strings.Builder
	p := &parts{}
	cfg := router.Config{}
	p.use(cfg)
	var err error
	if p.accounts, err = p.loader(cfg, slog.New(slog.NewTextHandler(&said, nil))); err != nil {
		t.Fatal(err)
	}
	if known := p.known(); !strings.Contains(known.Problem, "neither `users.passwordFile` nor `users.file`") || !strings.Contains(said.String(), "level=WARN") {
		t.Errorf("%+v\n%s", known, &said)
	}
	p.accounts, err = auth.NewLoader(auth.LoaderOptions{Source: func(context.Context, func(string, string, string)) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Users.PasswordFile = "/etc/mmm/router.password"
	p.use(cfg)
	if known := p.known(); known.Looked || known.Problem != "" {
		t.Errorf("before the first look: %+v", known)
	}
	p.accounts.Load(t.Context())
	if known := p.known(); !known.Looked || known.Read.IsZero() {
		t.Errorf("after it: %+v", known)
	}
}
