package follow

import (
	"testing"
	"time"

	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

func TestAReaderThatSaysNothingWhileTheWriterGoesOnIsNotReadFrom(t *testing.T) {
	says := func(position string) gtid.Set {
		p, err := gtid.Parse(position)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	look := func(s silences, rev topology.Rev, reader, writer string, after time.Duration) bool {
		c := cluster(func(c *topology.Cluster) {
			for _, name := range names {
				position := writer
				if name == "db2" {
					position = reader
				}
				report(c, name, func(r *topology.Report) { r.Position = says(position) })
			}
			e := c.Hosts["db2"]
			e.Rev = rev
			c.Hosts["db2"] = e
		})
		v := judge(c, 0, now, 0)
		s.drop(v, c, now.Add(after))
		for _, x := range v.Excluded {
			if x.Name == "db2" && x.Why == "" {
				t.Error("nobody says why")
			}
		}
		return readers(v) == "db2 db3 db4 db5"
	}
	s := silences{}
	for _, step := range []struct {
		fact           string
		rev            topology.Rev
		reader, writer string
		after          time.Duration
		read           bool
	}{
		{"nobody writes", 5, "0-1-10", "0-1-10", 0, true},
		{"for an hour", 5, "0-1-10", "0-1-10", time.Hour, true},
		{"the writer writes", 5, "0-1-10", "0-1-11", time.Hour, true},
		{"and the reader has not said so yet", 5, "0-1-10", "0-1-20", time.Hour + 4*time.Second, true},
		{"nor after five seconds", 5, "0-1-10", "0-1-20", time.Hour + 5*time.Second, false},
		{"it speaks again, and is behind", 6, "0-1-15", "0-1-30", time.Hour + 6*time.Second, true},
		{"it is silent again", 6, "0-1-15", "0-1-40", time.Hour + 12*time.Second, false},
		{"it has everything", 7, "0-1-40", "0-1-40", time.Hour + 13*time.Second, true},
	} {
		if got := look(s, step.rev, step.reader, step.writer, step.after); got != step.read {
			t.Errorf("%s: read from: %v", step.fact, got)
		}
	}
}
