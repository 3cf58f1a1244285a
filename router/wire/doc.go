// Package wire is the client-server protocol of MariaDB and MySQL: packets to
// values and back, and where the answer to a command ends. It does no I/O but for
// Reader, keeps nothing, and looks into no row.
//
//	packet.go     the frame of a packet; a reader for whole packets
//	capability.go what the two sides may agree on
//	command.go    the commands, and the numbers of statuses
//	greeting.go   the server's first packet
//	login.go      the client's answer, and COM_CHANGE_USER
//	question.go   what a server asks before it lets a client in
//	result.go     OK, EOF and ERR
//	track.go      what a server says of its session in an OK
//	statement.go  prepared statements
//	attributes.go query attributes, and the text after them
//	walker.go     where an answer ends
package wire
