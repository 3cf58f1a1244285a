package router

import _ "embed" // for the sample

// Sample is a configuration file with every key, its default and what it means.
//
//go:embed sample.yaml
var Sample string
