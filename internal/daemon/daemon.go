package daemon

import (
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/lmittmann/tint"
	"github.com/spf13/pflag"
)

// What systemd may be told (sd_notify(3)).
const (
	Ready     = daemon.SdNotifyReady
	Stopping  = daemon.SdNotifyStopping
	Reloading = daemon.SdNotifyReloading
)

// logLevel is the flag that AddFlags adds and Logger reads.
const logLevel = "log-level"

// AddFlags adds the flags that Logger reads.
func AddFlags(flags *pflag.FlagSet) {
	flags.String(logLevel, "info", "debug, info, warn or error")
}

// Logger writes to stderr, for a person on a terminal, for the journal otherwise.
func Logger(flags *pflag.FlagSet) (*slog.Logger, error) {
	text, err := flags.GetString(logLevel)
	if err != nil {
		return nil, err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(text)); err != nil {
		return nil, fmt.Errorf("--%s %s: use debug, info, warn or error", logLevel, text)
	}
	plain := os.Getenv("NO_COLOR") != "" || !terminal(os.Stderr)
	return slog.New(tint.NewTextHandler(os.Stderr, &tint.Options{Level: level, NoColor: plain, TimeFormat: "15:04:05.000"})), nil
}

func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Notify tells systemd a state, when it is there to listen.
func Notify(state string) {
	_, _ = daemon.SdNotify(false, state) // not under systemd: nobody to tell
}

// Watchdog returns what the loop calls that must never hang. Whoever calls it from
// anywhere else makes it worthless: it is for systemd to end a process that is wedged.
func Watchdog() func() {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		return func() {}
	}
	var last time.Time
	return func() {
		if now := time.Now(); now.Sub(last) > every/4 {
			last = now
			Notify(daemon.SdNotifyWatchdog)
		}
	}
}
