package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/mmm-ha/mmm/router"
)

// assemble puts together what a router is made of.
func assemble(_ context.Context, _ router.Config, _ *slog.Logger) (router.Options, error) {
	return router.Options{}, errors.New("this build cannot speak to clients yet")
}
