package router

import (
	"fmt"
	"reflect"
	"slices"
)

// fixed are the keys that a running router cannot change.
var fixed = []string{"cluster", "name", "etcd", "peer", "listeners", "admin", "backend", "users", "digests", "threads"}

// Change is what a new file meant for a running router.
type Change struct {
	Taken   []string // keys that have changed and count from now on
	Restart []string // keys that have changed and need a restart
}

// Reload takes a new configuration, as ReadConfig returned it, as far as a running
// router can. Sessions that exist keep what they have: a lower limit closes nobody.
// The error says that nothing was changed, and why.
func (r *Router) Reload(next Config) (Change, error) {
	r.reload.Lock()
	defer r.reload.Unlock()
	r.unread.Store(true) // until it is taken
	now := *r.config.Load()
	if err := r.front.use(next.TLS); err != nil {
		return Change{}, fmt.Errorf("take the new certificate: %w", err)
	}
	if err := r.board.Slow.Use(next.SlowLog.File, next.SlowLog.Threshold.D()); err != nil {
		return Change{}, err
	}
	var c Change
	for _, key := range differences(now, next) {
		if slices.Contains(fixed, key) {
			c.Restart = append(c.Restart, key)
		} else {
			c.Taken = append(c.Taken, key)
		}
	}
	next = next.keep(now)
	r.config.Store(&next)
	r.gate.tune(next.Limits)
	r.board.Trace.ShowLiterals(next.Trace.Literals)
	if next.Limits != now.Limits {
		r.doubt(next.Limits)
	}
	if r.opt.Reloaded != nil {
		r.opt.Reloaded(next)
	}
	r.unread.Store(false)
	return c, nil
}

// NotTaken says that the file was read again and was so wrong that there was nothing to
// Reload.
func (r *Router) NotTaken() { r.unread.Store(true) }

// keep puts back what cannot change.
func (c Config) keep(now Config) Config {
	from, to := reflect.ValueOf(now), reflect.ValueOf(&c).Elem()
	for i := range from.NumField() {
		if slices.Contains(fixed, keyOf(from.Type().Field(i))) {
			to.Field(i).Set(from.Field(i))
		}
	}
	return c
}

// differences names the keys whose values differ.
func differences(a, b Config) []string {
	var keys []string
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range va.NumField() {
		if !reflect.DeepEqual(va.Field(i).Interface(), vb.Field(i).Interface()) {
			keys = append(keys, keyOf(va.Type().Field(i)))
		}
	}
	return keys
}

func keyOf(f reflect.StructField) string { return f.Tag.Get("yaml") }
