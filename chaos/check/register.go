package check

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/mmm-ha/mmm/chaos/history"
)

// registerTime bounds the search for one register; a history that needs longer is undecided.
const registerTime = 20 * time.Second

// access is what porcupine sees as the input of an operation.
type access struct {
	write bool
	value int64
}

// oneRegister is the model: a register that begins at 0.
var oneRegister = porcupine.Model{
	Init: func() any { return int64(0) },
	Step: func(state, input, output any) (bool, any) {
		a := input.(access)
		if a.write {
			return true, a.value
		}
		return output.(int64) == state.(int64), state
	},
	Equal: func(a, b any) bool { return a == b },
}

// register checks every register of the writer's route for linearizability.
//
// A write of unknown outcome may take effect at any later time or never. When
// nobody ever read its value, leaving it out changes no answer, so it is left
// out: each one kept doubles the search.
func register(h *history.History) Finding {
	var f Finding
	byKey := map[string][]history.Op{}
	read := map[string]map[int64]bool{}
	for _, o := range h.Ops {
		if o.Do != history.Set && o.Do != history.Get {
			continue
		}
		byKey[o.Key] = append(byKey[o.Key], o)
		if o.Do == history.Get && o.Outcome == history.OK {
			if read[o.Key] == nil {
				read[o.Key] = map[int64]bool{}
			}
			read[o.Key][o.Value] = true
		}
	}
	var keys []string
	for key := range byKey {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		ops := operations(byKey[key], read[key], &f)
		f.Checked += len(ops)
		switch porcupine.CheckOperationsTimeout(oneRegister, ops, registerTime) {
		case porcupine.Illegal:
			f.violate("register %s: no order of its %d operations explains what was read", key, len(ops))
		case porcupine.Ok:
		case porcupine.Unknown:
			f.Undecided = append(f.Undecided, fmt.Sprintf("register %s: not decided within %v", key, registerTime))
		}
	}
	return f
}

// operations are those of one register that can matter.
func operations(ops []history.Op, read map[int64]bool, f *Finding) []porcupine.Operation {
	var out []porcupine.Operation
	for _, o := range ops {
		p := porcupine.Operation{Call: int64(o.Call), Return: int64(o.Return)}
		switch {
		case o.Do == history.Get && o.Outcome == history.OK:
			p.Input, p.Output = access{}, o.Value
		case o.Do == history.Get:
			continue
		case o.Outcome == history.Fail:
			if read[o.Value] {
				f.violate("register %s: the value %d was refused and read", o.Key, o.Value)
			}
			continue
		case o.Outcome == history.Unknown && !read[o.Value]:
			continue
		default:
			p.Input = access{write: true, value: o.Value}
			if o.Outcome == history.Unknown {
				p.Return = math.MaxInt64
			}
		}
		out = append(out, p)
	}
	return out
}
