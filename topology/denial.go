package topology

// forgets reports whether a source denies what the last reign itself has
// written. Nobody can have that but from its writer, and a writer's mysqld loses
// it only by a new start, which cuts off what it did not know to be acknowledged.
// So the reign is over, though its agent may not be there to say so (R19): the
// source is wrong, what this host has received may be the only copy, and it
// counts in the election like any other.
func forgets(c Cluster, said string) bool {
	r := c.Reign.Value
	return Diverged(said) && r.Epoch == c.LastEpoch() && denied(said).Continues(r.Start)
}
