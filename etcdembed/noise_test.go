package etcdembed

import (
	"log/slog"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// A host whose certificate is no good comes many times a second, for hours.
func TestRejectedHostIsNamedOnceInAWhile(t *testing.T) {
	var n noise
	n.enter(phaseServing)
	now := time.Unix(1000, 0)
	said := func(after time.Duration, remote string) bool {
		t.Helper()
		e := zapcore.Entry{Level: zapcore.WarnLevel, Time: now.Add(after), Message: "rejected connection on client endpoint"}
		level, keep := n.judge(e, []zapcore.Field{zap.String("remote-addr", remote)})
		return keep && level >= slog.LevelInfo
	}
	for _, tt := range []struct {
		after  time.Duration
		remote string
		want   bool
	}{
		{0, "192.0.2.165:1000", true},
		{time.Second, "192.0.2.165:1001", false},
		{time.Second, "192.0.2.164:1001", true},
		{repeatAfter - 1, "192.0.2.165:1002", false},
		{repeatAfter, "192.0.2.165:1003", true},
		{repeatAfter + time.Second, "192.0.2.165:1004", false},
	} {
		if got := said(tt.after, tt.remote); got != tt.want {
			t.Errorf("%s after %s: said %v", tt.remote, tt.after, got)
		}
	}
}
