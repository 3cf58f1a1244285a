package ctl

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/jedib0t/go-pretty/v6/table"
)

// apiVersion stands in every JSON document; its keys are never renamed.
const apiVersion = "mmm/v1"

// Format is how data is printed.
type Format string

// The formats of -o.
const (
	Table Format = "table" // for people
	JSON  Format = "json"  // a versioned contract
	YAML  Format = "yaml"  // the same as JSON
)

// ParseFormat reads the value of -o.
func ParseFormat(s string) (Format, error) {
	switch f := Format(s); f {
	case Table, JSON, YAML:
		return f, nil
	case "":
		return Table, nil
	default:
		return "", usage("unknown output format %q; write table, json or yaml", s)
	}
}

// document is the head of every JSON answer.
type document struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
}

func kind(k string) document { return document{APIVersion: apiVersion, Kind: k} }

// result is the JSON of a command that changed something.
type result struct {
	document
	OK      bool   `json:"ok"`
	Message string `json:"message"`
}

// emit prints a document in the wanted format; people writes the one for people.
func (c *Ctl) emit(doc any, people func(w *strings.Builder)) error {
	switch c.Format {
	case JSON, YAML:
		text, err := json.MarshalIndent(doc, "", "  ")
		if err != nil {
			return fmt.Errorf("print as JSON: %w", err)
		}
		if c.Format == YAML {
			if text, err = yaml.JSONToYAML(text); err != nil {
				return fmt.Errorf("print as YAML: %w", err)
			}
		}
		_, err = fmt.Fprintln(c.Out, strings.TrimRight(string(text), "\n"))
		return err
	default:
		var b strings.Builder
		people(&b)
		_, err := io.WriteString(c.Out, b.String())
		return err
	}
}

// writeTable prints aligned columns without lines, and nothing after the last
// word of a line.
func writeTable(w *strings.Builder, head []string, rows [][]string) {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	t.SetStyle(style)
	t.AppendHeader(row(head))
	for _, r := range rows {
		t.AppendRow(row(r))
	}
	for _, line := range strings.Split(t.Render(), "\n") {
		w.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

func row(cells []string) table.Row {
	out := make(table.Row, len(cells))
	for i, c := range cells {
		out[i] = c
	}
	return out
}

// ago prints an age in the two largest units: 41s, 3m12s, 4h5m, 3d4h.
func ago(d time.Duration) string {
	d = max(d, 0).Truncate(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	}
}

// count prints "1 host" and "2 hosts".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// signed adds who and why to a sentence.
func signed(who, why string) string {
	out := ""
	if who != "" {
		out += " by " + who
	}
	if why != "" {
		out += ": " + why
	}
	return out
}
