package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"
)

// What cannot be tried is found out by mysqld itself.
func TestStartIsNotHeldUpByADatadirThatCannotBeTried(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none")} {
		if err := awaitDisk(ctx, dir, slog.New(slog.DiscardHandler), time.Hour); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
}
