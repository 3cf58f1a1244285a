// Package route says where a statement goes, and why: to the writer, to a reader,
// or to the server that answered last. It is pure, allocates nothing for a
// statement, and looks at words only: what it does not know goes to the writer.
//
// Classify looks at the text alone, once. Decide looks at the class and at what
// the session is in.
package route
