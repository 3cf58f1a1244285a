// Package pick chooses readers: of two taken by chance the one that has less to
// do for its weight and answers sooner ("The power of two choices in randomized load balancing",
// Mitzenmacher 2001). Sessions that stay connected look again now and then. It is pure but for its counters; the clock and chance are given.
package pick
