package explore

// chunk is how many values a column grows by: growing must not copy gigabytes.
const chunk = 1 << 18

// column is a slice that grows without being copied.
type column[T any] struct {
	parts [][]T
	n     int
}

func (c *column[T]) push(v T) {
	if c.n%chunk == 0 {
		c.parts = append(c.parts, make([]T, 0, chunk))
	}
	last := &c.parts[len(c.parts)-1]
	*last = append(*last, v)
	c.n++
}

func (c *column[T]) at(i int) T { return c.parts[i/chunk][i%chunk] }

func (c *column[T]) len() int { return c.n }

func (c *column[T]) each(see func(i int, v T)) {
	for p, part := range c.parts {
		for k, v := range part {
			see(p*chunk+k, v)
		}
	}
}

// table finds the number of a hash. It is open addressing over numbers; the
// hashes themselves stand in a column, in the order in which they came.
type table struct {
	slots  []uint32 // number + 1; 0 is free
	hashes column[uint64]
}

func (t *table) len() int { return t.hashes.len() }

func (t *table) hash(i uint32) uint64 { return t.hashes.at(int(i)) }

func (t *table) find(h uint64) (uint32, bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	mask := uint64(len(t.slots) - 1)
	for k := h & mask; t.slots[k] != 0; k = (k + 1) & mask {
		if i := t.slots[k] - 1; t.hash(i) == h {
			return i, true
		}
	}
	return 0, false
}

// add takes a hash that is not there yet and gives its number.
func (t *table) add(h uint64) uint32 {
	if 4*t.len() >= 3*len(t.slots) {
		t.grow()
	}
	t.hashes.push(h)
	i := uint32(t.len() - 1)
	t.place(h, i)
	return i
}

func (t *table) place(h uint64, i uint32) {
	mask := uint64(len(t.slots) - 1)
	k := h & mask
	for t.slots[k] != 0 {
		k = (k + 1) & mask
	}
	t.slots[k] = i + 1
}

func (t *table) grow() {
	t.slots = make([]uint32, max(1024, 2*len(t.slots)))
	t.hashes.each(func(i int, h uint64) { t.place(h, uint32(i)) })
}
