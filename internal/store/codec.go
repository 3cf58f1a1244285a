package store

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// version of the values that this package writes and the highest that it reads.
const version = 1

// encode prints a record as a JSON object that begins with its version, so that
// `etcdctl get` shows it first.
func encode(record any) ([]byte, error) {
	body, err := json.Marshal(record)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", record, err)
	}
	if len(body) < 2 || body[0] != '{' {
		return nil, fmt.Errorf("encode %T: not a JSON object", record)
	}
	out := fmt.Appendf(nil, `{"v":%d`, version)
	if body[1] != '}' {
		out = append(out, ',')
	}
	return append(out, body[1:]...), nil
}

// decode reads what encode printed. The version is looked at first: the rest of
// a newer value may mean anything.
func decode[T any](text []byte) (T, error) {
	var head struct {
		V int `json:"v"`
	}
	var record, none T
	if err := json.Unmarshal(text, &head); err != nil {
		return none, fmt.Errorf("broken JSON: %w", err)
	}
	switch {
	case head.V > version:
		return none, fmt.Errorf("written by a newer version (v %d; this program reads up to v %d)", head.V, version)
	case head.V < 1:
		return none, fmt.Errorf(`no "v" in %s`, shorten(text))
	}
	if err := json.Unmarshal(text, &record); err != nil {
		return none, fmt.Errorf("broken JSON: %w", err)
	}
	return record, nil
}

// shorten keeps an error message on one line however large the value is.
func shorten(text []byte) []byte {
	const most = 60
	text = bytes.TrimSpace(text)
	if len(text) > most {
		return append(bytes.Clone(text[:most]), "..."...)
	}
	return text
}
