package step

import "github.com/mmm-ha/mmm/topology"

// believe notes how far etcd has come, and the newest record of a reign, unless
// it went back.
func (s *State) believe() {
	c := s.Cluster
	if c.Rev >= s.Seen.Top && !s.Seen.Distrust.Present() && c.Reign.Rev > s.Seen.Reign.Rev {
		s.Seen.Reign = c.Reign
	}
	s.Seen.Top = max(s.Seen.Top, c.Rev)
}

// doubts reports whether what etcd shows is older than what was seen (R17).
func (s *State) doubts() bool { return s.Seen.Distrust.Present() || s.Cluster.Rev < s.Seen.Top }

// Distrusted notes that etcd went back, as a linearizable reading has shown (R17).
func Distrusted(d topology.Distrust) Note {
	return func(s *State) { s.Seen.Distrust = d }
}

// Trusted notes that an operator has looked at etcd, which was at that revision:
// what was seen of the one before it is no measure any more.
func Trusted(rev topology.Rev) Note {
	return func(s *State) {
		s.Seen.Distrust, s.Seen.Top, s.Seen.Rev = topology.Distrust{}, rev, 0
	}
}
