package dbops

// At makes a rewind call f before each of its steps.
func (r Rewind) At(f func(step string) error) Rewind {
	r.step = f
	return r
}
