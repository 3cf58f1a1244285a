package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
)

const (
	// healsWithin is generous: it only ends a wait for a cluster that will not heal.
	healsWithin = 90 * time.Second
	lookAgain   = 100 * time.Millisecond
)

// status is what the bench reads of `mmmctl status -o json`.
type status struct {
	Writer  string `json:"writer"`
	Phase   string `json:"phase"`
	Epoch   int64  `json:"epoch"`
	Routers []struct {
		Name  string `json:"name"`
		State string `json:"state"`
		Ready *bool  `json:"ready"`
		Epoch int64  `json:"epoch"`
		VIPs  []struct {
			VIP netip.Addr `json:"vip"`
		} `json:"vips"`
	} `json:"routers"`
	Hosts []struct {
		Name    string `json:"name"`
		State   string `json:"state"`
		Reason  string `json:"reason"`
		Version string `json:"version"`
	} `json:"hosts"`
}

// ask runs a command of mmmctl with JSON output and reads the answer.
func ask(ctx context.Context, bed *lab.Bed, into any, args ...string) error {
	out, err := bed.Ctl(ctx, append(args, "-o", "json")...)
	// status exits with 10 or 11 when something is wrong; its document stands.
	if bad := json.Unmarshal(out, into); bad != nil {
		return errors.Join(err, fmt.Errorf("read answer of mmmctl %s: %w: %s", args[0], bad, out))
	}
	return nil
}

// lacks says what a cluster lacks to be whole: all hosts ONLINE, a writer that
// is open, and every other host acknowledging its commits. Empty: nothing.
func lacks(s status, acknowledged string) string {
	if s.Writer == "" || s.Phase != "ready" {
		return fmt.Sprintf("the writer is %q in phase %q", s.Writer, s.Phase)
	}
	_, list, _ := strings.Cut(acknowledged, "acknowledged by ")
	ackers := strings.Split(list, ", ")
	for _, h := range s.Hosts {
		switch {
		case h.State != "ONLINE":
			return fmt.Sprintf("%s is %s: %s", h.Name, h.State, h.Reason)
		case h.Name != s.Writer && !slices.Contains(ackers, h.Name):
			return h.Name + " does not acknowledge: " + acknowledged
		}
	}
	return ""
}

// awaitWhole waits until nothing lacks, and sets hosts online that wait for a
// person: the bench is the operator. It returns who is writer.
func awaitWhole(ctx context.Context, bed *lab.Bed) (status, error) {
	end := time.Now().Add(healsWithin)
	for {
		var s status
		var x struct {
			Text string `json:"text"`
		}
		err := errors.Join(ask(ctx, bed, &s, "status"), ask(ctx, bed, &x, "explain"))
		lack := ""
		if err == nil {
			if lack = lacks(s, x.Text); lack == "" {
				return s, nil
			}
			setOnline(ctx, bed, s)
		}
		if time.Now().After(end) {
			return s, errors.Join(fmt.Errorf("the cluster is not whole again after %v: %s", healsWithin, lack), err)
		}
		select {
		case <-ctx.Done():
			return s, ctx.Err()
		case <-time.After(lookAgain):
		}
	}
}

func setOnline(ctx context.Context, bed *lab.Bed, s status) {
	for _, h := range s.Hosts {
		if h.State == "AWAITING_RECOVERY" {
			// Refused as long as it replicates badly; the next look asks again.
			_, _ = bed.Ctl(ctx, "set-online", h.Name, "--no-wait", "--reason", "measurement")
		}
	}
}

// awaitMoved waits until another host than before is the open writer.
func awaitMoved(ctx context.Context, bed *lab.Bed, before string) error {
	var s status
	for end := time.Now().Add(returns); time.Now().Before(end); {
		if err := ask(ctx, bed, &s, "status"); err == nil && s.Writer != "" && s.Writer != before && s.Phase == "ready" {
			return nil
		}
		if err := rest(ctx, lookAgain); err != nil {
			return err
		}
	}
	return fmt.Errorf("the writer is still %q in phase %q, %v after the fault on %s", s.Writer, s.Phase, returns, before)
}
