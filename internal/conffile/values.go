package conffile

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// Duration is a time.Duration whose parse error keeps its place in the file.
type Duration time.Duration

// D is the same as the standard library's type.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String is what stands in a file: 90s, 10m, 8h.
func (d Duration) String() string {
	text := time.Duration(d).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// UnmarshalYAML reads values such as 500ms, 3s or 8h, and 0.
func (d *Duration) UnmarshalYAML(node ast.Node) error {
	text := node.GetToken().Value
	parsed, err := time.ParseDuration(text)
	if err != nil || parsed < 0 {
		return &yaml.SyntaxError{Message: fmt.Sprintf("%q is not a duration; write 500ms, 3s or 2m", text), Token: node.GetToken()}
	}
	*d = Duration(parsed)
	return nil
}

// Size is a number of bytes.
type Size int64

// The units that a Size may have.
const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
)

// units in the order in which String tries them.
var units = []struct {
	name string
	size Size
}{{"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}}

// String is what stands in a file: 64MiB.
func (s Size) String() string {
	for _, u := range units {
		if s >= u.size && s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// UnmarshalYAML reads values such as 65536, 16KiB, 64MiB or 1GiB.
func (s *Size) UnmarshalYAML(node ast.Node) error {
	text := node.GetToken().Value
	number, unit := text, Size(1)
	for _, u := range units {
		if n, ok := strings.CutSuffix(text, u.name); ok {
			number, unit = n, u.size
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/int64(unit) {
		return &yaml.SyntaxError{Message: fmt.Sprintf("%q is not a size; write 65536, 16KiB, 64MiB or 1GiB", text), Token: node.GetToken()}
	}
	*s = Size(n) * unit
	return nil
}
