package router

import (
	"net/netip"
	"time"

	"github.com/mmm-ha/mmm/internal/version"
	"github.com/mmm-ha/mmm/router/tally"
)

// Status is a router at one moment.
type Status struct {
	Router  string    `json:"router"`
	Cluster string    `json:"cluster"`
	Version string    `json:"version"` // of mmmrouter
	Began   time.Time `json:"began"`
	Ready   bool      `json:"ready"`
	Why     string    `json:"why,omitempty"` // it is not
	Leaving bool      `json:"leaving"`

	View     Cluster  `json:"view"`
	Accounts Accounts `json:"accounts"`

	Sessions Sessions               `json:"sessions"`
	Answered map[string]TargetCount `json:"answered"` // by writer, reader and router, since it began
	Retried  uint64                 `json:"retried"`  // a reader refused it, the writer answered
	Rereads  uint64                 `json:"rereads"`  // times that a read was sent again because its server went away
	Held     uint64                 `json:"held"`     // waited for a writer
}

// Sessions are numbers of clients.
type Sessions struct {
	Connected     int `json:"connected"`
	Limit         int `json:"limit"`
	LoggedIn      int `json:"loggedIn"`
	Waiting       int `json:"waiting"` // for a place
	Running       int `json:"running"`
	InTransaction int `json:"inTransaction"`
	Pinned        int `json:"pinned"`
}

// TargetCount is what one target has answered.
type TargetCount struct {
	Statements uint64  `json:"statements"`
	Errors     uint64  `json:"errors"`
	Seconds    float64 `json:"seconds"` // in all
}

// SessionStatus is one session at one moment.
type SessionStatus struct {
	ID       uint32         `json:"id"`
	Client   netip.AddrPort `json:"client"`
	Via      string         `json:"via,omitempty"` // the load balancer
	Listener string         `json:"listener"`
	Mode     Mode           `json:"mode"`
	Began    time.Time      `json:"began"`
	State
}

// Status is what the router is and knows now.
func (r *Router) Status() Status {
	now := r.config.Load()
	s := Status{Router: now.Name, Cluster: now.Cluster, Version: version.String(), Began: r.began, Leaving: r.leaving.Load(), Answered: map[string]TargetCount{}}
	if why := r.Ready(); why != nil {
		s.Why = why.Error()
	}
	s.Ready = s.Why == ""
	if r.opt.Cluster != nil {
		s.View = r.opt.Cluster()
	}
	if r.opt.Accounts != nil {
		s.Accounts = r.opt.Accounts()
	}
	totals := r.sessions.totals()
	for _, t := range tally.Targets() {
		of := totals.Of(t)
		s.Answered[t.String()] = TargetCount{of.Statements, of.Errors, of.Sum.Seconds()}
	}
	s.Retried, s.Rereads, s.Held = totals.Retried, totals.Rereads, totals.Held
	s.Sessions = r.countSessions()
	return s
}

func (r *Router) countSessions() Sessions {
	c := Sessions{Connected: r.sessions.count(), Limit: r.config.Load().Limits.Connections}
	c.LoggedIn, c.Waiting = r.gate.counts()
	for _, l := range r.sessions.all() {
		state := l.session.State()
		if state.Phase == Running {
			c.Running++
		}
		if state.InTransaction {
			c.InTransaction++
		}
		if len(state.Pins) > 0 {
			c.Pinned++
		}
	}
	return c
}

// Sessions lists the live sessions, oldest first.
func (r *Router) Sessions() []SessionStatus {
	all := []SessionStatus{}
	for _, l := range r.sessions.all() {
		s := SessionStatus{
			ID: l.info.ID, Client: l.info.Client, Listener: l.info.Listener, Mode: l.info.Mode, Began: l.began, State: l.session.State(),
		}
		if l.info.Via.IsValid() {
			s.Via = l.info.Via.String()
		}
		all = append(all, s)
	}
	return all
}
