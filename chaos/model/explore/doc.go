// Package explore walks every state that a model can reach.
//
// A model is a comparable value, a function that lists what may happen next,
// and two judgements: Bad names a broken guarantee, Good says "the cluster
// serves". Run goes breadth first, so that the counterexample it finds is a
// shortest one. When nothing is bad it asks for more: once faults end, is there
// from every reachable state still a way to a good one (AG EF good, over the
// steps that are no faults)? A state without such a way is a stall.
//
// Memory. A state is remembered as a 64-bit hash and the number of the state it
// was first reached from; whole states are kept only while they wait to be
// expanded. So 10 million states with 40 million steps take about half a
// gigabyte. A trace is found again by walking from the start along the hashes.
// Two states with one hash would be taken for one: with n states that happens
// once in 2^65/n^2 runs, and each run has a seed of its own.
//
// It owns nothing but memory, starts no goroutine, and knows nothing of any model.
package explore
