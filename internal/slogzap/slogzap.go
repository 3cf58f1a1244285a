// Package slogzap hands the log lines of code that speaks zap (the embedded
// etcd server) to a log/slog logger, so that a process has one log, one
// format and one set of levels.
//
// It owns the translation of levels and fields. It never formats, never
// writes and never ends the process (zap itself still exits after a Fatal
// line). It starts no goroutines.
package slogzap

import (
	"context"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Judge looks at one line before it is written and returns the level that it
// gets, and whether it is written at all. It is called by whichever goroutine
// logs, so it must be safe for concurrent use and must not block. It may look
// at the fields but must not keep them.
type Judge func(zapcore.Entry, []zapcore.Field) (level slog.Level, keep bool)

// New returns a zap logger that writes to log. A nil judge keeps every line
// at the level that Lower gives it.
func New(log *slog.Logger, judge Judge) *zap.Logger {
	if judge == nil {
		judge = func(e zapcore.Entry, _ []zapcore.Field) (slog.Level, bool) { return Lower(e.Level), true }
	}
	return zap.New(&core{log: log, judge: judge})
}

// Lower maps a zap level to the slog level one step below it: what a library
// calls an error is, for the operator of the program around it, a warning
// until that program says otherwise. Panic and Fatal stay errors because the
// process does not outlive them.
func Lower(level zapcore.Level) slog.Level {
	switch {
	case level >= zapcore.DPanicLevel:
		return slog.LevelError
	case level == zapcore.ErrorLevel:
		return slog.LevelWarn
	case level == zapcore.WarnLevel:
		return slog.LevelInfo
	default:
		return slog.LevelDebug
	}
}

// core is a zapcore.Core. It is immutable: With returns a copy.
type core struct {
	log   *slog.Logger
	judge Judge
	attrs []slog.Attr
}

// Enabled lets warnings and worse always pass, because a judge may raise
// their level or learn something from a line that nobody gets to see.
func (c *core) Enabled(level zapcore.Level) bool {
	return level >= zapcore.WarnLevel || c.log.Enabled(context.Background(), Lower(level))
}

func (c *core) With(fields []zapcore.Field) zapcore.Core {
	with := *c
	with.attrs = append(append([]slog.Attr(nil), c.attrs...), attrs(fields)...)
	return &with
}

func (c *core) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

func (c *core) Write(e zapcore.Entry, fields []zapcore.Field) error {
	level, keep := c.judge(e, fields)
	if !keep || !c.log.Enabled(context.Background(), level) {
		return nil
	}
	record := slog.NewRecord(e.Time, level, e.Message, 0)
	record.AddAttrs(c.attrs...)
	record.AddAttrs(attrs(fields)...)
	return c.log.Handler().Handle(context.Background(), record)
}

func (c *core) Sync() error { return nil }

// attrs converts fields one by one, which keeps their order; one encoder for
// all of them would sort them into a map.
func attrs(fields []zapcore.Field) []slog.Attr {
	out := make([]slog.Attr, 0, len(fields))
	prefix := ""
	for _, f := range fields {
		switch f.Type {
		case zapcore.SkipType:
			continue
		case zapcore.NamespaceType:
			prefix += f.Key + "."
			continue
		case zapcore.ErrorType:
			// zap would add errorVerbose and errorCauses beside it.
			if err, ok := f.Interface.(error); ok {
				out = append(out, slog.Any(prefix+errorKey(f.Key), err))
				continue
			}
		default:
		}
		enc := zapcore.NewMapObjectEncoder()
		f.AddTo(enc)
		for key, value := range enc.Fields {
			out = append(out, slog.Any(prefix+key, value))
		}
	}
	return out
}

// errorKey gives zap's "error" the name that our own lines use.
func errorKey(key string) string {
	if key == "error" {
		return "err"
	}
	return key
}
