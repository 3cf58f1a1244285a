package router

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/mmm-ha/mmm/router/tally"
)

// pages serves operators, Prometheus and load balancers until ctx ends.
func (r *Router) pages(ctx context.Context) error {
	server := &http.Server{Handler: r.mux(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	err := server.Serve(r.admin)
	if ctx.Err() == nil && !r.leaving.Load() {
		return fmt.Errorf("serve the pages for operators: %w", err)
	}
	return nil
}

func (r *Router) mux() http.Handler {
	m := http.NewServeMux()
	m.Handle("GET /metrics", promhttp.HandlerFor(r.metrics(), promhttp.HandlerOpts{}))
	m.HandleFunc("GET /healthz", said(r.Alive))
	m.HandleFunc("GET /readyz", said(r.Ready))
	m.HandleFunc("GET /status", shown(func() any { return r.Status() }))
	m.HandleFunc("GET /sessions", shown(func() any { return r.Sessions() }))
	m.HandleFunc("GET /digests", shown(func() any { return r.digests() }))
	m.HandleFunc("GET /trace", r.trace)
	return m
}

// said answers "ok", or 503 and why not.
func said(what func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if err := what(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	}
}

// shown answers a value as JSON.
func shown(what func() any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		_ = e.Encode(what()) // who asked has gone
	}
}

func (r *Router) digests() []tally.Digest {
	if r.board.Digests == nil {
		return []tally.Digest{}
	}
	return append([]tally.Digest{}, r.board.Digests.All()...)
}

// traceLimit ends a trace that somebody has forgotten: it costs every statement.
const traceLimit = 10 * time.Minute

// trace sends each statement that ends as a line of JSON, until who asked goes away.
func (r *Router) trace(w http.ResponseWriter, req *http.Request) {
	var session uint64
	if text := req.FormValue("session"); text != "" {
		var err error
		if session, err = strconv.ParseUint(text, 10, 32); err != nil {
			http.Error(w, "session is not a number", http.StatusBadRequest)
			return
		}
	}
	listening := r.board.Trace.Listen(uint32(session))
	defer listening.Close()
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	ctx, cancel := context.WithTimeout(req.Context(), traceLimit)
	defer cancel()
	encoder := json.NewEncoder(w)
	err := out.Flush() // the headers: who asked knows that it begins
	for err == nil {
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case one := <-listening.C:
			err = errors.Join(encoder.Encode(one), out.Flush())
		}
	}
	if n := listening.Dropped.Load(); n > 0 {
		r.log.Warn("a trace could not keep up", "dropped", n)
	}
}
