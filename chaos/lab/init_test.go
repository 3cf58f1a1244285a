package lab

import (
	"io"
	"os/exec"
	"testing"
)

// An agent that asks for a start right after a stop gets it, also when the program
// has not ended yet.
func TestStartAskedWhileAProgramEndsIsNotForgotten(t *testing.T) {
	program := exec.Command("sleep", "60")
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	u := &unit{spec: unitSpec{Name: "mysqld"}, state: unitState{Name: "mysqld", PID: program.Process.Pid}, want: true}
	s := &supervisor{units: map[string]*unit{"mysqld": u}, log: io.Discard, again: make(chan restart, 1)}
	s.asked("stop mysqld")
	if u.want || !u.state.Held {
		t.Fatalf("told to stop: %+v", u)
	}
	s.asked("start mysqld")
	_ = program.Wait()
	s.ended(u, 0)
	if a := <-s.again; !u.want || u.state.Held || a.unit != u || a.attempt != u.attempts {
		t.Errorf("it ended, and nobody starts it: %+v", u)
	}
}
