package conffile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/goccy/go-yaml"
)

// Mistake is one thing that is wrong with a file: where, and how to mend it.
type Mistake struct {
	Field string // path of the value, such as "listeners[0].mode"
	Text  string // what is wrong, and what to write instead
}

// Error is one sentence.
func (m Mistake) Error() string { return fmt.Sprintf("`%s` %s", m.Field, m.Text) }

// Place is the path of the value.
func (m Mistake) Place() string { return m.Field }

// placed is an error that knows which value of the file it is about.
type placed interface {
	error
	Place() string
}

// Mistakes collects what is wrong with one file.
type Mistakes struct {
	of  string // the path of what is being looked at, with a dot at its end
	all *[]error
}

// NewMistakes returns an empty collection.
func NewMistakes() Mistakes { return Mistakes{all: new([]error)} }

// Of returns the same collection for what stands below a field.
func (m Mistakes) Of(field string) Mistakes { return Mistakes{of: m.of + field + ".", all: m.all} }

// Add notes that a field is wrong. The text goes on after the field's name.
func (m Mistakes) Add(field, format string, args ...any) {
	*m.all = append(*m.all, Mistake{strings.TrimSuffix(m.of+field, "."), fmt.Sprintf(format, args...)})
}

// Err is all that was noted, or nil.
func (m Mistakes) Err() error { return errors.Join(*m.all...) }

// Read reads the file at path into form, which holds the defaults. Unknown and
// doubled keys are errors. Then it calls check and adds to each of its errors that
// has a method Place, as a Mistake has, the lines of the file that it is about.
func Read(path string, form any, check func() error) error {
	source, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	if err := Parse(source, form, check); err != nil {
		return fmt.Errorf("%s:\n%w", path, err)
	}
	return nil
}

// Parse does what Read does with text that is there already. It names all mistakes,
// unless the text is no YAML at all.
func Parse(source []byte, form any, check func() error) error {
	err := yaml.NewDecoder(bytes.NewReader(source), yaml.Strict()).Decode(form)
	if err == nil || errors.Is(err, io.EOF) { // an empty file is all defaults
		return locate(source, check())
	}
	wrong, paths := unreadable(source, form)
	if len(wrong) == 0 {
		return shown(err)
	}
	return errors.Join(append(wrong, locate(source, without(check(), paths)))...)
}

// locate adds to each mistake the lines of source that it is about.
func locate(source []byte, err error) error {
	if err == nil {
		return nil
	}
	mistakes := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		mistakes = joined.Unwrap()
	}
	out := make([]error, 0, len(mistakes))
	for _, one := range mistakes {
		out = append(out, locateOne(source, one))
	}
	return errors.Join(out...)
}

func locateOne(source []byte, err error) error {
	var m placed
	if !errors.As(err, &m) {
		return err
	}
	place, perr := yaml.PathString("$." + m.Place())
	if perr != nil {
		return err
	}
	lines, perr := place.AnnotateSource(source, false)
	if perr != nil || len(lines) == 0 {
		return err // a field that is missing has no place
	}
	return fmt.Errorf("%w\n%s", err, strings.TrimRight(string(lines), "\n"))
}
