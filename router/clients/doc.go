// Package clients holds only tests: programs of other languages, as people use them,
// run against a real writer directly and against the same writer and a reader
// through a router. What such a program prints is compared line by line, so every
// difference that an application could see is a failure with its line.
//
// The programs stand in testdata, one file each. They get where to connect by
// environment variables (bed_test.go), print what they see, and know nothing of
// routers.
package clients
