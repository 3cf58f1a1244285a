package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
)

// An agent that starts while etcd is away must not end: nobody would answer for
// its host when etcd is back. It says what it waits for, again and again.
func TestAgentThatStartsWithoutEtcdWaitsAndSaysSo(t *testing.T) {
	for _, away := range []error{store.ErrUnreachable, context.DeadlineExceeded} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.etcd.cluster = cluster()
			r.fail("load", fmt.Errorf("load the cluster: %w", away))
			got := make(chan error, 1)
			var spec topology.Spec
			go func() {
				var err error
				spec, err = r.awaitSpec(t.Context())
				got <- err
			}()
			time.Sleep(3*waitSaid - waitSaid/2)
			synctest.Wait()
			if n := len(r.lines.with("etcd cannot be reached")); n != 3 {
				t.Errorf("said %d times in %s", n, 3*waitSaid)
			}
			r.fail("load", nil)
			if err := <-got; err != nil || len(spec.Hosts) == 0 {
				t.Errorf("%+v, %v", spec, err)
			}
		})
	}
}

// What time does not mend is an error at once; so is everything for preflight.
func TestAgentDoesNotWaitForWhatTimeDoesNotMend(t *testing.T) {
	r := newRig(t)
	broken := errors.New("read spec: it is no JSON")
	r.fail("load", broken)
	if _, err := r.awaitSpec(bounded(t)); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	r.fail("load", store.ErrUnreachable)
	r.dry = true
	if _, err := r.awaitSpec(bounded(t)); !errors.Is(err, store.ErrUnreachable) || strings.Contains(fmt.Sprint(r.lines.with("waits")), "etcd") {
		t.Errorf("%v", err)
	}
}
