package etcdembed

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

const (
	// joinLimit bounds the way into a running cluster, from the first question
	// to the moment when every member that answers has heard of this one.
	joinLimit = 30 * time.Second
	// joinPause is the time between two looks.
	joinPause = 200 * time.Millisecond
	// joinRetry is the time between two attempts to be added.
	joinRetry = time.Second
)

// admission decides how a member without data enters: it returns the value of
// etcd's initial-cluster, or the reason why it must not start at all.
func admission(ctx context.Context, o Options) (initial string, err error) {
	client, err := peerClient(o.PeerTLS)
	if err != nil {
		return "", err
	}
	if o.Join {
		ctx, cancel := context.WithTimeout(ctx, joinLimit)
		defer cancel()
		return join(ctx, o, client)
	}
	// Forming: silent peers are still to come, but one that answers must be
	// forming the same cluster.
	for _, answer := range askPeers(ctx, client, o.others()) {
		if answer.Err != nil {
			continue
		}
		me, listed := answer.member(o.PeerURL)
		switch {
		case !listed:
			return "", fmt.Errorf("%s (%s) runs a cluster in which %s (%s) is %w; to join it set `join: true`, or to form a new one make initialCluster the same on all hosts and start them all with an empty dataDir",
				answer.Name, answer.URL, o.Name, o.PeerURL, ErrNotMember)
		case me.started():
			return "", alreadyMember(o, me, answer)
		}
	}
	return initialCluster(configured(o)), nil
}

// join has this member added as a learner, unless somebody did that before.
func join(ctx context.Context, o Options, client *http.Client) (string, error) {
	answers, err := firstAnswers(ctx, o, client)
	if err != nil {
		return "", err
	}
	var found peerAnswer
	for _, answer := range answers {
		if answer.Err == nil {
			found = answer
		}
	}
	me, listed := found.member(o.PeerURL)
	if listed && me.started() {
		return "", alreadyMember(o, me, found)
	}
	if !listed {
		for _, m := range found.Members {
			if m.Name == o.Name {
				return "", alreadyMember(o, m, found)
			}
		}
		if err := addSelf(ctx, o, found); err != nil {
			return "", err
		}
	}
	return agreed(ctx, o, client)
}

// firstAnswers waits until at least one member answers.
func firstAnswers(ctx context.Context, o Options, client *http.Client) ([]peerAnswer, error) {
	said := false
	for {
		answers := askPeers(ctx, client, o.others())
		if slices.ContainsFunc(answers, func(a peerAnswer) bool { return a.Err == nil }) {
			return answers, nil
		}
		silent := describeSilent(answers)
		if !said {
			o.Log.Info("waiting for a member to join", "limit", joinLimit, "silent", silent)
			said = true
		}
		if !pause(ctx, joinPause) {
			return nil, fmt.Errorf("join: %w: %s; start one of them or correct initialCluster", ErrUnreachable, silent)
		}
	}
}

func addSelf(ctx context.Context, o Options, via peerAnswer) error {
	access, err := accessOf(o, via.Members)
	if err != nil {
		return err
	}
	for {
		_, err = AddMember(ctx, access, o.PeerURL)
		// A cluster in which a member came or went a moment ago refuses changes
		// until its members have been connected for 5 s.
		if !errors.Is(err, rpctypes.ErrUnhealthy) || !pause(ctx, joinRetry) {
			break
		}
		o.Log.Debug("not added yet", "member", o.Name, "err", err)
	}
	// "Exists" after an attempt whose answer was lost is what we wanted.
	if err != nil && !errors.Is(err, ErrAlreadyMember) {
		return fmt.Errorf("join through %s: %w", via.Name, err)
	}
	o.Log.Info("added to the cluster as a learner", "member", o.Name, "via", via.Name)
	return nil
}

// agreed waits until every member that answers lists this one: etcd compares
// its initial-cluster with whichever member it happens to ask.
func agreed(ctx context.Context, o Options, client *http.Client) (string, error) {
	for {
		var members []peerMember
		unaware := 0
		for _, answer := range askPeers(ctx, client, o.others()) {
			if answer.Err != nil {
				continue
			}
			members = answer.Members
			if _, listed := answer.member(o.PeerURL); !listed {
				unaware++
			}
		}
		if len(members) > 0 && unaware == 0 {
			return initialCluster(known(o, members)), nil
		}
		if !pause(ctx, joinPause) {
			return "", fmt.Errorf("join: %s was added, but not every member has heard of it within %v: %w; start again", o.Name, joinLimit, context.Cause(ctx))
		}
	}
}

func alreadyMember(o Options, m peerMember, via peerAnswer) error {
	return fmt.Errorf("%s says that %s (%s) is %w, but %s is empty; if its data is lost, replace it: `mmmagent etcd remove %s --config FILE` on any host, then start here with `join: true`; else correct name, peerURL or dataDir",
		via.Name, m.Name, strings.Join(m.PeerURLs, ", "), ErrAlreadyMember, o.DataDir, m.Name)
}

// FindAccess asks the members that o names, this one included, for the client
// ports of their cluster: all that is needed to manage it from the file of any
// of its members. It starts nothing. ErrUnreachable: none of them answers.
func FindAccess(ctx context.Context, o Options) (Access, error) {
	o = o.withDefaults()
	client, err := peerClient(o.PeerTLS)
	if err != nil {
		return Access{}, err
	}
	answers := askPeers(ctx, client, configured(o))
	for _, answer := range answers {
		if answer.Err != nil {
			continue
		}
		if access, err := accessOf(o, answer.Members); err == nil {
			return access, nil
		}
	}
	silent := describeSilent(answers)
	if silent == "" {
		silent = "they are forming the cluster and serve no clients yet"
	}
	return Access{}, fmt.Errorf("find the etcd cluster: %w: %s", ErrUnreachable, silent)
}

// accessOf returns the way to the client ports of members that have started.
func accessOf(o Options, members []peerMember) (Access, error) {
	var access Access
	for _, m := range members {
		if !m.IsLearner { // a learner refuses changes
			access.Endpoints = append(access.Endpoints, m.ClientURLs...)
		}
	}
	if len(access.Endpoints) == 0 {
		return Access{}, fmt.Errorf("the members that answer serve no clients yet: %w; wait until they have a leader", ErrUnreachable)
	}
	var err error
	access.TLS, err = o.ClientTLS.open("clientTLS")
	return access, err
}

func configured(o Options) []peer {
	return append(o.others(), peer{Name: o.Name, URL: o.PeerURL})
}

// known lists the members that the cluster has; one that has not started yet
// has no name, so its address stands in.
func known(o Options, members []peerMember) (out []peer) {
	for _, m := range members {
		for _, u := range m.PeerURLs {
			name := m.Name
			switch {
			case tidyURL(u) == o.PeerURL:
				name = o.Name
			case name == "":
				name = hostPort(u)
			}
			out = append(out, peer{Name: name, URL: u})
		}
	}
	return out
}

func initialCluster(peers []peer) string {
	parts := make([]string, 0, len(peers))
	for _, p := range peers {
		parts = append(parts, p.Name+"="+p.URL)
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

func describeSilent(answers []peerAnswer) string {
	var parts []string
	for _, a := range answers {
		if a.Err != nil {
			parts = append(parts, fmt.Sprintf("%s (%s): %s", a.Name, a.URL, silence(a.Err)))
		}
	}
	return strings.Join(parts, "; ")
}

// pause waits for d and reports whether ctx still lives.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
