// Package mutants holds bugs that a person might have written here, and proves
// that the tests notice every one of them.
//
// Each row of the table names a mistake, the rules of docs/protocol.md that it
// breaks, the exact text that it changes, and the suite that has to go red. The
// text is replaced in a copy, which the compiler is given in place of the file
// (go test -overlay); the tree is never touched. A mutant that no test notices
// means that a test is lacking: write the test, do not drop the row.
//
// It owns docs/reliability/mutants.json, what came of the last run of each
// mutant, and docs/mutants.md, which is made from it. It never decides what a
// rule means.
//
// It starts no goroutine of its own; the runs are child processes, one after the
// other, and Run waits for each.
package mutants
