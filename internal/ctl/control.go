package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/mmm-ha/mmm/topology"
)

// controlHelp is the help of mmm_control, word for word.
const controlHelp = `Valid commands are:
    help                              - show this message
    ping                              - ping monitor
    show                              - show status
    checks [<host>|all [<check>|all]] - show checks status
    set_online <host>                 - set host <host> online
    set_offline <host>                - set host <host> offline
    mode                              - print current mode.
    set_active                        - switch into active mode.
    set_manual                        - switch into manual mode.
    set_passive                       - switch into passive mode.
    move_role [--force] <role> <host> - move exclusive role <role> to host <host>
                                        (Only use --force if you know what you are doing!)
    set_ip <ip> <host>                - set role with ip <ip> to host <host>
`

// Control carries out a command line of mmm_control and answers with MMM's
// sentences on Out, where MMM printed them. The error only carries the exit
// code: unlike MMM's, it is not 0 when the answer is an ERROR. It never asks
// for a confirmation, because MMM did not.
func (c *Ctl) Control(ctx context.Context, args []string) error {
	quiet := *c
	quiet.Yes, quiet.Format, quiet.Err = true, Table, io.Discard
	if len(args) == 0 {
		args = []string{"help"}
	}
	a, err := quiet.control(ctx, args)
	if err != nil {
		var e *Error
		if !errors.As(err, &e) {
			e = explain(err)
		}
		if e.Exit == ExitUnreachable {
			// MMM's users and their scripts know this line.
			c.note("%s", e.Text)
			e = &Error{Exit: e.Exit, MMM: "ERROR: Can't connect to monitor daemon!"}
		}
		_, printErr := fmt.Fprintln(c.Out, e.sentence())
		return errors.Join(&Error{Exit: e.Exit, Err: err}, printErr)
	}
	if a.text == "" {
		return nil
	}
	_, err = fmt.Fprintln(c.Out, a.sentence())
	return err
}

// control runs one command. An empty answer means that it printed by itself.
func (c *Ctl) control(ctx context.Context, args []string) (answer, error) {
	words := args[1:]
	arg := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	wants := map[string][2]int{ // least and most words after the command
		"help": {0, 0}, "ping": {0, 0}, "show": {0, 0}, "checks": {0, 2}, "set_online": {1, 1}, "set_offline": {1, 1},
		"mode": {0, 0}, "set_active": {0, 0}, "set_manual": {0, 0}, "set_passive": {0, 0}, "move_role": {2, 3}, "set_ip": {2, 2},
	}
	n, known := wants[args[0]]
	if !known || len(words) < n[0] || len(words) > n[1] {
		return answer{}, invalid(args)
	}
	switch args[0] {
	case "ping":
		_, err := c.load(ctx)
		return answer{text: "etcd answers", mmm: "OK: Pinged successfully!"}, err
	case "show":
		return answer{}, c.Show(ctx)
	case "checks":
		return answer{}, c.Checks(ctx, arg(0), arg(1))
	case "set_online":
		c.NoWait = true
		return c.setOnline(ctx, arg(0))
	case "set_offline":
		return c.setOffline(ctx, arg(0))
	case "mode":
		return answer{}, c.Mode(ctx)
	case "set_active":
		return c.setMode(ctx, topology.Active)
	case "set_manual":
		return c.setMode(ctx, topology.Manual)
	case "set_passive":
		return c.setMode(ctx, topology.Passive)
	case "move_role":
		force := slices.Contains(words, "--force")
		words = slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == "--force" })
		if len(words) != 2 {
			return answer{}, invalid(args)
		}
		return c.moveRole(ctx, words[0], words[1], force)
	case "set_ip":
		return c.setIP(ctx, arg(0), arg(1))
	default:
		_, err := io.WriteString(c.Out, controlHelp)
		return answer{}, err
	}
}

func invalid(args []string) *Error {
	line := args[0]
	for _, a := range args[1:] {
		line += " " + a
	}
	return usage("unknown command %q", line).inMMM("Invalid command '%s'\n\n%s", line, controlHelp)
}
