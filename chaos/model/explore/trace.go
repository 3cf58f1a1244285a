package explore

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
)

// label is the text of a step before anybody wants to read it.
type label struct {
	text string
	args [3]int8
}

// String puts the arguments in their places: %h is a host by its letter, %s a
// set of hosts, %d a number, %v yes or no.
func (l label) String() string {
	var b strings.Builder
	arg := 0
	for i := 0; i < len(l.text); i++ {
		c := l.text[i]
		if c != '%' || i+1 == len(l.text) || arg == len(l.args) {
			b.WriteByte(c)
			continue
		}
		i++
		a := l.args[arg]
		arg++
		switch l.text[i] {
		case 'h':
			b.WriteByte(Letter(a))
		case 's':
			b.WriteString(Set(uint8(a)))
		case 'v':
			b.WriteString(map[bool]string{true: "yes", false: "no"}[a != 0])
		default:
			fmt.Fprint(&b, a)
		}
	}
	return b.String()
}

// Letter is how traces call host i; "-" is nobody.
func Letter(i int8) byte {
	if i < 0 {
		return '-'
	}
	return 'A' + byte(i)
}

// Set is how traces write a set of hosts, bit i for host i.
func Set(bits uint8) string {
	out := []byte{'{'}
	for i := range int8(8) {
		if bits>>i&1 == 1 {
			out = append(out, Letter(i))
		}
	}
	return string(append(out, '}'))
}

// trace is the way from the start to state i, found again along the hashes.
func (w *walk[S]) trace(i uint32) []string {
	var way []uint32
	for ; i != none; i = w.parent.at(int(i)) {
		way = append(way, i)
	}
	slices.Reverse(way)
	s, out := w.model.Init, []string{w.line(label{text: "start"}, w.model.Init)}
	for _, i := range way[1:] {
		var o Steps[S]
		w.model.Next(s, &o)
		for _, st := range o.list {
			if maphash.Comparable(w.seed, st.to) == w.known.hash(i) {
				s = st.to
				text := st.label
				if st.fault {
					text.text = "FAULT: " + text.text
				}
				out = append(out, w.line(text, s))
				break
			}
		}
	}
	return out
}

func (w *walk[S]) line(l label, s S) string {
	if w.model.Show == nil {
		return l.String()
	}
	return fmt.Sprintf("%-58s %s", l, w.model.Show(s))
}
