package clusterfile

import (
	"fmt"
	"slices"
	"strings"
)

// otherWords are keys of MMM's files that bear another name here.
var otherWords = map[string]string{
	"ip":               "address",
	"ips":              "vips",
	"vip":              "vips",
	"maxbacklog":       "backlogMax",
	"user":             "replicationUser",
	"mysqlport":        "port",
	"clusterinterface": "interface",
}

// secrets are keys that somebody may try to put into the file.
var secrets = []string{"password", "passwd", "secret"}

// acknowledgements are keys by which somebody may ask for another number of
// acknowledgements than the one that there is.
var acknowledgements = []string{
	"w", "acks", "ackers", "minacks", "ackcount", "acknowledgements", "waitforreplicas", "waitforslaves", "waitforslavecount",
	"waitforreplicacount", "semisyncmasterwaitforslavecount", "rplsemisyncmasterwaitforslavecount", "quorum", "copies",
}

// countsAcks reports whether a key asks for a number of acknowledgements.
func countsAcks(key string) bool { return slices.Contains(acknowledgements, plain(key)) }

// oneAck is the message for it, whatever the number: to pass over a 1 would be to
// promise that a 2 means something.
func oneAck(key string) string {
	return fmt.Sprintf("unknown field %q: a write waits for exactly one acknowledgement, because MariaDB cannot wait for more; "+
		"it survives the loss of any one host, and after the loss of two the cluster stops and says who is missing; take this line out", key)
}

// unknownField is the message for a key that the file may not have.
func unknownField(key string, known []string) string {
	if countsAcks(key) {
		return oneAck(key)
	}
	for _, s := range secrets {
		if strings.Contains(plain(key), s) {
			return fmt.Sprintf("unknown field %q: passwords never stand in the cluster file, they live in each agent's own file", key)
		}
	}
	if guess := nearest(key, known); guess != "" {
		return fmt.Sprintf("unknown field %q (did you mean %q?)", key, guess)
	}
	return fmt.Sprintf("unknown field %q; known here: %s", key, strings.Join(known, ", "))
}

// nearest is the known word that was probably meant, or empty.
func nearest(word string, known []string) string {
	best, dist := "", len(word)/3+1
	for _, k := range known {
		if otherWords[plain(word)] == k {
			return k
		}
		if d := distance(plain(word), plain(k)); d <= dist {
			best, dist = k, d-1
		}
	}
	return best
}

// plain drops what people spell differently: case, underscores and dashes.
func plain(s string) string {
	return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(s))
}

// distance counts the letters to insert, delete or replace to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		corner := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := corner
			if a[i-1] != b[j-1] {
				change++
			}
			corner = row[j]
			row[j] = min(change, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
