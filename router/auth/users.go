package auth

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// ReadUsers reads the file of users. Only its owner may have the right to read
// it. The error names every line that is wrong, and nothing that is on them.
//
//	users:
//	  - user: app
//	    password: secret           # any plugin; or one of the three below
//	    hosts: [192.0.2.0/24]      # without: %
//	    maxConnections: 50
//	  - user: report
//	    hash: "*2470C0C0..."       # of mysql_native_password
//	  - user: batch
//	    ed25519: "ZIgUREUg5..."    # the public key: nothing to log in with at readers
//	  - user: old
//	    sha2: "$A$005$..."         # of caching_sha2_password
//	    require: tls               # or x509
func ReadUsers(path string) ([]Account, error) {
	raw, err := readPrivate(path)
	if err != nil {
		return nil, err
	}
	users, err := ParseUsers(raw)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return users, nil
}

// ParseUsers reads the text of a file of users.
func ParseUsers(text []byte) ([]Account, error) {
	r := &usersReader{seen: map[string]int{}}
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, notYAML(err)
	}
	found := false
	for _, doc := range file.Docs {
		if doc.Body != nil {
			found = true
			r.mapping(doc.Body, map[string]func(ast.Node){"users": r.users})
		}
	}
	if !found {
		r.errs = append(r.errs, errors.New("the file is empty; without users it says: users: []"))
	}
	if err := errors.Join(r.errs...); err != nil {
		return nil, err
	}
	return r.out, nil
}

// notYAML is the place and the kind of a syntax error without the text of the
// line, which may be a password.
func notYAML(err error) error {
	var syntax yaml.Error
	if !errors.As(err, &syntax) || syntax.GetToken() == nil {
		return errors.New("the file is no YAML")
	}
	kind := syntax.GetMessage()
	if i := strings.IndexAny(kind, "\"'`:\n"); i >= 0 {
		kind = kind[:i]
	}
	at := syntax.GetToken().Position
	return fmt.Errorf("[%d:%d] the file is no YAML here: %s", at.Line, at.Column, strings.TrimSpace(kind))
}

type usersReader struct {
	errs []error
	out  []Account
	seen map[string]int // user -> line
}

func (r *usersReader) add(at *token.Token, format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf("[%d:%d] %s", at.Position.Line, at.Position.Column, fmt.Sprintf(format, args...)))
}

func (r *usersReader) mapping(n ast.Node, fields map[string]func(ast.Node)) {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		r.add(n.GetToken(), "this must be a mapping, as in \"users:\"")
		return
	}
	had := map[string]bool{}
	for _, v := range m.Values {
		key := v.Key.GetToken()
		see, known := fields[key.Value]
		switch {
		case !known:
			r.add(key, "unknown field; known are %s", strings.Join(sortedKeys(fields), ", "))
		case had[key.Value]:
			r.add(key, "%s is given twice", key.Value)
		default:
			had[key.Value] = true
			see(v.Value)
		}
	}
}

func sortedKeys(m map[string]func(ast.Node)) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func (r *usersReader) users(n ast.Node) {
	for _, one := range r.list(n) {
		r.user(one)
	}
}

func (r *usersReader) list(n ast.Node) []ast.Node {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		r.add(n.GetToken(), "this must be a list; without entries it is []")
		return nil
	}
	return s.Values
}

// text is a value as it stands there: 0123 is the text "0123".
func (r *usersReader) text(n ast.Node) string {
	out := ""
	switch v := n.(type) {
	case *ast.StringNode:
		out = v.Value
	case *ast.LiteralNode:
		out = v.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		out = n.GetToken().Value
	default: // null, a list, a mapping, an alias
	}
	if out == "" {
		r.add(n.GetToken(), "this must be a text, and not empty")
	}
	return out
}

// user reads one entry, which makes an account for each of its hosts.
func (r *usersReader) user(n ast.Node) {
	at, before := n.GetToken(), len(r.errs)
	one := Account{}
	hosts := []HostPattern{{text: "%", kind: kindLike, like: "%"}}
	r.mapping(n, map[string]func(ast.Node){
		"user":           func(n ast.Node) { one.User = r.text(n); r.once(n.GetToken(), one.User) },
		"password":       func(n ast.Node) { one.Methods = append(one.Methods, Method{kind: byPassword, password: r.text(n)}) },
		"hash":           func(n ast.Node) { one.Methods = append(one.Methods, r.stored(n, Native)) },
		"ed25519":        func(n ast.Node) { one.Methods = append(one.Methods, r.stored(n, "ed25519")) },
		"sha2":           func(n ast.Node) { one.Methods = append(one.Methods, r.stored(n, CachingSHA2)) },
		"hosts":          func(n ast.Node) { hosts = r.hosts(n) },
		"require":        func(n ast.Node) { one.Need = r.need(n) },
		"maxConnections": func(n ast.Node) { one.Limits.MaxConnections = r.number(n) },
	})
	if len(r.errs) == before && one.User == "" {
		r.add(at, "this user has no name; give it as user")
	}
	if len(r.errs) == before && len(one.Methods) != 1 {
		r.add(at, "this user has %d of password, hash, ed25519 and sha2; give one", len(one.Methods))
	}
	for _, one.Host = range hosts {
		r.out = append(r.out, one)
	}
}

func (r *usersReader) once(at *token.Token, user string) {
	if line, twice := r.seen[user]; twice {
		r.add(at, "this user is there twice, first in line %d; give one entry several hosts", line)
	}
	r.seen[user] = at.Position.Line
}

func (r *usersReader) stored(n ast.Node, plugin string) Method {
	text := r.text(n)
	m := storedMethod(plugin, text)
	if m.kind == byOther && text != "" {
		r.add(n.GetToken(), "this is no hash of that kind; copy authentication_string of the account")
	}
	return m
}

func (r *usersReader) hosts(n ast.Node) []HostPattern {
	var out []HostPattern
	for _, one := range r.list(n) {
		p, err := ParseHostPattern(r.text(one))
		switch {
		case err != nil:
			r.add(one.GetToken(), "this is no network; write it as 192.0.2.0/24")
		case p.kind == kindName:
			r.add(one.GetToken(), "host names are not looked up; give an address, a network or a pattern as 192.0.2.%%")
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		r.add(n.GetToken(), "without a host nobody can log in; leave hosts away for all")
	}
	return out
}

func (r *usersReader) need(n ast.Node) Need {
	switch r.text(n) {
	case NeedTLS.String():
		return NeedTLS
	case NeedCertificate.String():
		return NeedCertificate
	default:
		r.add(n.GetToken(), "require is tls or x509")
		return NeedNothing
	}
}

func (r *usersReader) number(n ast.Node) int {
	v, err := strconv.ParseUint(n.GetToken().Value, 10, 64)
	if err != nil || v == 0 || v > math.MaxInt32 {
		r.add(n.GetToken(), "this must be a whole number from 1; leave it away for no limit")
	}
	return int(min(v, math.MaxInt32)) //nolint:gosec // bounded
}
