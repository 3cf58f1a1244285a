// Package topology is the mind of the cluster: its nouns, and Decide, the only
// place where the cluster's fate is chosen. It is pure: no clock, no
// randomness, no input or output, nothing but the standard library.
package topology
