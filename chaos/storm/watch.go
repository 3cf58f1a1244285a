package storm

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/mmm-ha/mmm/chaos/history"
	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/topology"
)

// arpEvery is the time between two questions for every VIP; arpWait how long
// answers are collected. An answer takes a tenth of a millisecond.
const (
	arpEvery = 50 * time.Millisecond
	arpWait  = 25 * time.Millisecond
)

// watchEtcd records what stands in etcd, as it changes.
func (s *site) watchEtcd(ctx context.Context, out *history.Recorder) error {
	watcher := s.etcd.NewWatcher()
	var running sync.WaitGroup
	running.Go(func() { _ = watcher.Run(ctx) }) // ends with ctx, and that is no news
	defer running.Wait()
	var last history.State
	for {
		select {
		case <-ctx.Done():
			return nil
		case c := <-watcher.Changes():
			s.show(c)
			state := stateOf(c)
			same := state
			same.T, same.Rev = last.T, last.Rev
			if !reflect.DeepEqual(same, last) {
				out.State(state)
				last = state
			}
		}
	}
}

// stateOf is what a snapshot of etcd says.
func stateOf(c topology.Cluster) history.State {
	s := history.State{T: history.Now(), Rev: int64(c.Rev), Epoch: int64(c.Epoch()), Writer: c.Writer.Value.Name,
		Phase: string(c.Phase.Value.Step), Reign: int64(c.Reign.Value.Epoch), Claims: map[string]string{}, Hosts: map[string]string{}}
	names := map[topology.HostID]string{}
	for name, memory := range c.Memories {
		names[memory.Value.ID] = name
	}
	for id := range c.Reign.Value.Ackers {
		s.Ackers = append(s.Ackers, names[id])
	}
	slices.Sort(s.Ackers)
	for vip, claim := range c.Claims {
		s.Claims[vip.String()] = claim.Value.Name
	}
	if o := c.Switchover; o.Present() && o.Value.Step.Open() {
		s.Order = string(o.Value.Step)
	}
	for _, h := range c.Spec.Value.Hosts {
		state, _ := topology.Classify(c, h.Name, time.Now())
		s.Hosts[h.Name] = string(state)
	}
	return s
}

// watchAddresses records the addresses of every database host, its own left out.
func (s *site) watchAddresses(ctx context.Context, out *history.Recorder) error {
	var all sync.WaitGroup
	hosts := s.databases()
	errs := make([]error, len(hosts))
	for i, h := range hosts {
		all.Go(func() {
			errs[i] = s.bed.WatchAddresses(ctx, h.Name, func(c lab.AddressChange) {
				if c.Address != h.Address {
					out.Address(history.Address{T: history.Now(), Host: c.Host, Addr: c.Address.String(), Gone: c.Gone})
				}
			})
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// askForVIPs records who answers for each VIP.
func (s *site) askForVIPs(ctx context.Context, out *history.Recorder) error {
	asker, err := s.bed.NewAsker(observerHost)
	if err != nil {
		return err
	}
	defer asker.Close()
	vips := allVIPs
	if len(routers(s.bed)) > 0 {
		vips = append(slices.Clone(allVIPs), routerVIP)
	}
	for next := time.Now(); ctx.Err() == nil; {
		call := history.Now()
		answers, err := asker.Ask(ctx, vips, arpWait)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		record(out, call, vips, answers)
		next = next.Add(arpEvery)
		if rest(ctx, time.Until(next)) != nil {
			return nil
		}
	}
	return nil
}

// A beat is a sleep of a program that does nothing else. How late it ends says how busy
// the machine is for everybody; what is worth a record is a matter of the checkers.
const (
	beat     = 20 * time.Millisecond
	lateBeat = 50 * time.Millisecond
)

// pulse records when the machine was too busy.
func pulse(ctx context.Context, out *history.Recorder) error {
	for before := history.Now(); rest(ctx, beat) == nil; {
		now := history.Now()
		if by := now.Sub(before) - beat; by > lateBeat {
			out.Stall(history.Stall{T: now, By: by})
		}
		before = now
	}
	return nil
}

func record(out *history.Recorder, call history.Time, vips []netip.Addr, answers map[netip.Addr][]string) {
	now := history.Now()
	for _, vip := range vips {
		out.ARP(history.ARP{Call: call, Return: now, VIP: vip.String(), Hosts: answers[vip]})
	}
}
