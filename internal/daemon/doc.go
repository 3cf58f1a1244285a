// Package daemon is what the commands that systemd runs have in common: where
// they log to, and what they tell systemd of themselves.
package daemon
