package clusterfile

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/mmm-ha/mmm/topology"
)

// value is something that was read, with its place in the file. A nil place
// means that the file does not say it.
type value[T any] struct {
	v   T
	at  *token.Token
	bad bool // it stands in the file and cannot be read; that is a problem already
}

// given reports whether the file says anything about it.
func (v value[T]) given() bool { return v.at != nil }

// set reports whether v is what the file says.
func (v value[T]) set() bool { return v.at != nil && !v.bad }

// or is the value, or the default when the file does not say it.
func (v value[T]) or(def T) T {
	if v.set() {
		return v.v
	}
	return def
}

// field is one key that a mapping may have, and what to do with its value.
type field struct {
	name string
	read func(n ast.Node)
}

// mapping reads the keys of a mapping. Unknown and repeated keys are problems;
// the others are read all the same. The result is the place of the mapping.
func (c *collector) mapping(n ast.Node, fields ...field) *token.Token {
	pairs, ok := c.pairs(n)
	if !ok || len(pairs) == 0 {
		return place(n)
	}
	seen := map[string]*token.Token{}
	for _, p := range pairs {
		key := p.Key.GetToken()
		name := key.Value
		first, again := seen[name]
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
		switch {
		case p.Key.IsMergeKey():
			c.add(key, "merge keys are not read here; write the values out")
		case again:
			c.add(key, "field %q was already given at [%d:%d]", name, first.Position.Line, first.Position.Column)
		case i < 0:
			c.add(key, "%s", unknownField(name, names(fields)))
		default:
			fields[i].read(p.Value)
		}
		seen[name] = key
	}
	return place(n)
}

// place is the token that a problem with the node points at: the first key of
// a mapping, not the colon after it.
func place(n ast.Node) *token.Token {
	switch m := n.(type) {
	case *ast.MappingNode:
		if len(m.Values) > 0 {
			return m.Values[0].Key.GetToken()
		}
	case *ast.MappingValueNode:
		return m.Key.GetToken()
	}
	return n.GetToken()
}

func names(fields []field) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.name
	}
	return out
}

// pairs opens a mapping; a key with nothing after it is an empty one.
func (c *collector) pairs(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch m := n.(type) {
	case *ast.MappingNode:
		return m.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{m}, true
	case *ast.NullNode:
		return nil, true
	default:
		c.add(place(n), "keys and values are wanted here, not %s", kind(n))
		return nil, false
	}
}

// list reads each element of a list.
func (c *collector) list(each func(n ast.Node)) func(ast.Node) {
	return func(n ast.Node) {
		switch s := n.(type) {
		case *ast.SequenceNode:
			for _, e := range s.Values {
				each(e)
			}
		case *ast.NullNode:
		default:
			c.add(place(n), "a list is wanted here, as in [a, b], not %s", kind(n))
		}
	}
}

// kind names what stands in the file, for messages.
func kind(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys and values"
	case *ast.SequenceNode:
		return "a list"
	case *ast.AnchorNode, *ast.AliasNode:
		return "an anchor or an alias (write the value out)"
	case *ast.TagNode:
		return "a YAML tag"
	case *ast.NullNode:
		return "nothing"
	default:
		return fmt.Sprintf("%q", n.GetToken().Value)
	}
}

// scalar takes a plain value as it is written.
func (c *collector) scalar(n ast.Node) (string, bool) {
	switch s := n.(type) {
	case *ast.StringNode:
		return s.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	default:
		c.add(place(n), "one value is wanted here, not %s", kind(n))
		return "", false
	}
}

// text reads a string.
func (c *collector) text(dst *value[string]) func(ast.Node) {
	return func(n ast.Node) {
		s, ok := c.scalar(n)
		*dst = value[string]{s, n.GetToken(), !ok}
	}
}

// texts reads a list of strings.
func (c *collector) texts(dst *[]value[string]) func(ast.Node) {
	return c.list(func(n ast.Node) {
		var v value[string]
		if c.text(&v)(n); v.set() {
			*dst = append(*dst, v)
		}
	})
}

// word reads one of a few words; what names them in the message.
func (c *collector) word(dst *value[string], what string, allowed ...string) func(ast.Node) {
	return func(n ast.Node) {
		s, ok := c.scalar(n)
		*dst = value[string]{s, n.GetToken(), !ok || !slices.Contains(allowed, s)}
		if ok && dst.bad {
			c.add(place(n), "unknown %s %q; write %s", what, s, either(allowed))
		}
	}
}

// either joins words as in "lan, fast or wan".
func either(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// number reads a whole number within limits, both included.
func (c *collector) number(dst *value[int], what string, least, most int) func(ast.Node) {
	return func(n ast.Node) {
		*dst = value[int]{at: n.GetToken(), bad: true}
		s, ok := c.scalar(n)
		if !ok {
			return
		}
		i, err := strconv.Atoi(s)
		if err != nil || i < least || i > most {
			c.add(place(n), "%s must be a whole number from %d to %d, not %q", what, least, most, s)
			return
		}
		*dst = value[int]{v: i, at: n.GetToken()}
	}
}

// duration reads 500ms, 3s, 2m or 1h within limits, both included.
func (c *collector) duration(dst *value[topology.Duration], what string, least, most time.Duration) func(ast.Node) {
	return func(n ast.Node) {
		*dst = value[topology.Duration]{at: n.GetToken(), bad: true}
		s, ok := c.scalar(n)
		if !ok {
			return
		}
		var d topology.Duration
		if err := d.UnmarshalText([]byte(s)); err != nil {
			c.add(place(n), "%v", err)
			return
		}
		if d.D() < least || d.D() > most {
			c.add(place(n), "%s must be from %s to %s, not %s", what, short(least), short(most), s)
			return
		}
		*dst = value[topology.Duration]{v: d, at: n.GetToken()}
	}
}

// short prints 1h0m0s as 1h.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// addr reads an IP address of one host.
func (c *collector) addr(dst *value[netip.Addr]) func(ast.Node) {
	return func(n ast.Node) {
		*dst = value[netip.Addr]{at: n.GetToken(), bad: true}
		s, ok := c.scalar(n)
		if !ok {
			return
		}
		a, err := netip.ParseAddr(s)
		switch {
		case err != nil && strings.Contains(s, "/"):
			c.add(place(n), "%q is not an IP address; write it without a prefix length", s)
		case err != nil:
			c.add(place(n), "%q is not an IP address; names are not looked up", s)
		case a.Zone() != "" || a.IsUnspecified() || a.IsMulticast():
			c.add(place(n), "%s is not the address of one host", s)
		default:
			*dst = value[netip.Addr]{v: a.Unmap(), at: n.GetToken()}
		}
	}
}

// addrs reads a list of IP addresses.
func (c *collector) addrs(dst *[]value[netip.Addr]) func(ast.Node) {
	return c.list(func(n ast.Node) {
		var v value[netip.Addr]
		if c.addr(&v)(n); v.set() {
			*dst = append(*dst, v)
		}
	})
}
