package conffile

import (
	"errors"
	"reflect"
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

// shown is an error of the decoder, in words for an operator, with the lines that it is
// about.
func shown(err error) error {
	text := yaml.FormatError(err, false, true)
	var at yaml.Error
	if words := inWords(err); words != "" && errors.As(err, &at) {
		text = yaml.FormatErrorWithToken(words, at.GetToken(), false, true)
	}
	return errors.New(strings.TrimRight(text, "\n"))
}

// inWords says what is wrong and what to write; empty: the decoder has said it.
func inWords(err error) string {
	var kind *yaml.TypeError
	var unknown *yaml.UnknownFieldError
	var node *yaml.UnexpectedNodeTypeError
	switch {
	case errors.As(err, &kind):
		return "this is " + kindOf(kind.SrcType) + ": write " + kindOf(kind.DstType)
	case errors.As(err, &unknown):
		return unknown.Message + ": correct the word, or take it out"
	case errors.As(err, &node):
		return "this is " + nodeOf(node.Actual) + ": write " + nodeOf(node.Expected)
	default:
		return ""
	}
}

// What an operator calls values.
const (
	aList = "a list, such as [a, b]"
	keys  = "keys with values, such as {key: value}"
)

// nodeOf is what an operator calls a value of that form.
func nodeOf(n ast.NodeType) string {
	switch n { //nolint:exhaustive // all others are single values
	case ast.SequenceType:
		return aList
	case ast.MappingType, ast.MappingValueType:
		return keys
	case ast.NullType:
		return "empty"
	default:
		return "a single value"
	}
}

// kindOf is what an operator calls values of a type.
func kindOf(t reflect.Type) string {
	if t == nil {
		return "something else"
	}
	switch t.Kind() { //nolint:exhaustive // configurations have no others
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a text"
	case reflect.Slice, reflect.Array:
		return aList
	case reflect.Map, reflect.Struct:
		return keys
	case reflect.Int, reflect.Int64, reflect.Uint64, reflect.Uint16, reflect.Float64:
		return "a number"
	default:
		return "a " + t.Kind().String()
	}
}
