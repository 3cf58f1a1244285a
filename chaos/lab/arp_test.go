package lab

import (
	"slices"
	"testing"
)

func TestWhoOnlyAnnouncedAnAddressAndDoesNotAnswerForItHasItNot(t *testing.T) {
	one, other := []string{"db1"}, []string{"db2"}
	for _, c := range []struct {
		what          string
		first, second *heard
		want          []string
	}{
		{"one answers", &heard{answered: one}, nil, one},
		{"two answer", &heard{answered: []string{"db2", "db1"}}, nil, []string{"db1", "db2"}},
		{"it moved after the answer", &heard{answered: one, announced: other}, &heard{answered: other}, other},
		{"it had moved before the question", &heard{answered: one, announced: other}, &heard{answered: one}, one},
		{"two have it", &heard{answered: one, announced: other}, &heard{answered: []string{"db2", "db1"}}, []string{"db1", "db2"}},
		{"nobody answers again", &heard{answered: one, announced: other}, &heard{}, []string{"db1", "db2"}},
	} {
		if got := whoHas(c.first, c.second); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
}
