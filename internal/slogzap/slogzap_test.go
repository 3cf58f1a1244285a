package slogzap

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// lines returns a logger that prints without time, and what it printed.
func lines(level slog.Level) (*slog.Logger, *bytes.Buffer) {
	var out bytes.Buffer
	return slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})), &out
}

func TestLevelsGoDownOneStep(t *testing.T) {
	tests := []struct {
		name string
		from zapcore.Level
		want slog.Level
	}{
		{"debug", zapcore.DebugLevel, slog.LevelDebug},
		{"info", zapcore.InfoLevel, slog.LevelDebug},
		{"warn", zapcore.WarnLevel, slog.LevelInfo},
		{"error", zapcore.ErrorLevel, slog.LevelWarn},
		{"panic is the end of the process", zapcore.PanicLevel, slog.LevelError},
		{"fatal is the end of the process", zapcore.FatalLevel, slog.LevelError},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Lower(tt.from); got != tt.want {
				t.Errorf("Lower(%v) = %v, want %v", tt.from, got, tt.want)
			}
		})
	}
}

func TestFieldsKeepTheirOrderAndValues(t *testing.T) {
	log, out := lines(slog.LevelDebug)
	zlog := New(log.With("component", "etcd"), nil).With(zap.String("member", "db1"))
	zlog.Error("disk is slow",
		zap.Duration("took", 1500*time.Millisecond),
		zap.Int("entries", 3),
		zap.Error(errors.New("sync: late")),
		zap.Skip(),
		zap.Strings("urls", []string{"a", "b"}),
		zap.Namespace("peer"),
		zap.String("name", "db2"))
	want := `level=WARN msg="disk is slow" component=etcd member=db1 took=1.5s entries=3 err="sync: late" urls="[a b]" peer.name=db2` + "\n"
	if out.String() != want {
		t.Errorf("got  %swant %s", out, want)
	}
}

func TestLinesBelowTheLevelAreNotWritten(t *testing.T) {
	log, out := lines(slog.LevelInfo)
	zlog := New(log, nil)
	zlog.Debug("a")
	zlog.Info("b")
	zlog.Warn("c")
	if got := out.String(); got != "level=INFO msg=c\n" {
		t.Errorf("got %q", got)
	}
}

func TestJudgeSeesWarningsThatNobodyReads(t *testing.T) {
	log, out := lines(slog.LevelError)
	seen := 0
	zlog := New(log, func(e zapcore.Entry, fields []zapcore.Field) (slog.Level, bool) {
		seen += len(fields)
		if strings.HasPrefix(e.Message, "drop") {
			return slog.LevelError, false
		}
		return slog.LevelError, true
	})
	zlog.Warn("raise", zap.Int("n", 1))
	zlog.Error("drop", zap.Int("n", 1))
	if seen != 2 {
		t.Errorf("the judge saw %d fields, want 2", seen)
	}
	if got := out.String(); got != "level=ERROR msg=raise n=1\n" {
		t.Errorf("got %q", got)
	}
}
