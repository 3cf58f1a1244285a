package conffile

import (
	"errors"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// mistakesMost bounds how many values that cannot be read are named.
const mistakesMost = 50

// unreadable decodes a source whose decoding fails once more, each time without the
// value that failed, until the rest is read. It returns what failed, and the paths.
func unreadable(source []byte, form any) (wrong []error, paths []string) {
	file, err := parser.ParseBytes(source, 0)
	if err != nil || len(file.Docs) != 1 {
		return nil, nil
	}
	body := file.Docs[0].Body
	for len(wrong) < mistakesMost {
		err := yaml.NodeToValue(body, form, yaml.Strict())
		if err == nil {
			break
		}
		wrong = append(wrong, shown(err))
		var at yaml.Error
		if !errors.As(err, &at) {
			break
		}
		path, dropped := drop(body, at.GetToken())
		if !dropped {
			break
		}
		paths = append(paths, path)
	}
	return wrong, paths
}

// drop takes the innermost value that has a token in it out of a tree, with its key,
// and returns its path.
func drop(in ast.Node, t *token.Token) (path string, dropped bool) {
	switch n := in.(type) {
	case *ast.MappingNode:
		for i, v := range n.Values {
			if !has(v, t) {
				continue
			}
			if path, dropped = drop(v.Value, t); dropped {
				return path, true
			}
			n.Values = slices.Delete(n.Values, i, i+1)
			return strings.TrimPrefix(v.Value.GetPath(), "$."), true
		}
	case *ast.MappingValueNode:
		return drop(n.Value, t)
	case *ast.SequenceNode:
		for _, v := range n.Values {
			if path, dropped = drop(v, t); dropped {
				return path, true
			}
		}
	}
	return "", false
}

// has reports whether a token is one of a node, or below it.
func has(n ast.Node, t *token.Token) bool {
	found := finder{at: t}
	ast.Walk(&found, n)
	return found.found
}

type finder struct {
	at    *token.Token
	found bool
}

// Visit is an ast.Visitor's.
func (f *finder) Visit(n ast.Node) ast.Visitor {
	if is := n.GetToken(); is != nil && f.at != nil && is.Position.Line == f.at.Position.Line && is.Position.Column == f.at.Position.Column {
		f.found = true
	}
	return f
}

// without drops what is said of values that were not read, or of what stands in them.
func without(err error, paths []string) error {
	if err == nil {
		return nil
	}
	mistakes := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		mistakes = joined.Unwrap()
	}
	return errors.Join(slices.DeleteFunc(slices.Clone(mistakes), func(one error) bool {
		var m placed
		return errors.As(one, &m) && slices.ContainsFunc(paths, func(p string) bool {
			return m.Place() == p || strings.HasPrefix(m.Place(), p+".") || strings.HasPrefix(p, m.Place()+".")
		})
	})...)
}
