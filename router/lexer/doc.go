// Package lexer finds the words of a statement, as MariaDB and MySQL find them:
// what stands in comments and strings is no word. It allocates nothing and knows
// no grammar.
package lexer
