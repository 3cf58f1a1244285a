package session

import (
	"crypto/tls"
	"io"
	"net"
	"syscall"
	"time"
)

// link is one end of the data path: a connection and what was read from it. One
// goroutine at a time uses it.
//
// What makes it cheap is that a wait costs no read that finds nothing: a
// RawConn calls a function of ours, which writes with a plain system call and
// says "nothing to read yet", and is called again when there is. It lets no
// message of the kernel be lost: what comes after RawConn.Read was entered wakes
// us even if it comes before we wait. Plain system calls do not tell the
// scheduler; that is right only because these sockets never block.
//
// A TLS connection takes the ordinary way.
type link struct {
	inbox
	conn net.Conn
	raw  syscall.RawConn // nil: the ordinary way
	fd   uintptr         // while serve or exchange is inside raw

	out   []byte // what exchange still has to write
	asked bool   // it has written
	err   error  // what ended it
	more  bool   // the last read filled its buffer: there may be more
	wrote bool   // something was written since the last read
	turn  func() bool

	onAnswer, onRequest func(fd uintptr) bool // made once, so that nothing is allocated for a statement
}

// newLink takes a connection over.
func newLink(c net.Conn) *link {
	l := &link{conn: c}
	if s, ok := c.(syscall.Conn); ok {
		if _, secret := c.(*tls.Conn); !secret {
			l.raw, _ = s.SyscallConn()
		}
	}
	l.onAnswer, l.onRequest = l.answered, l.requested
	return l
}

// exchange writes out and waits for an answer, which it adds to the inbox. With
// nothing to write it waits for more of the last one. It returns io.EOF when the
// other side has closed.
func (l *link) exchange(out []byte) error {
	if l.raw == nil {
		if err := l.write(out); err != nil {
			return err
		}
		return l.read()
	}
	l.out, l.asked, l.err = out, false, nil
	if err := l.raw.Read(l.onAnswer); err != nil {
		return err
	}
	return l.err
}

func (l *link) answered(fd uintptr) bool {
	if !l.asked && len(l.out) > 0 {
		l.asked, l.fd = true, fd
		l.err = l.write(l.out)
		l.out, l.fd = nil, 0
		return l.err != nil
	}
	return l.receive(fd)
}

// serve calls turn each time that something was read, until turn returns false
// or the connection ends. Inside turn only write may be used.
func (l *link) serve(turn func() bool) error {
	if l.raw == nil {
		for {
			if err := l.read(); err != nil || !turn() {
				return err
			}
		}
	}
	l.turn, l.err = turn, nil
	if err := l.raw.Read(l.onRequest); err != nil {
		return err
	}
	return l.err
}

func (l *link) requested(fd uintptr) bool {
	l.fd = fd
	defer func() { l.fd = 0 }()
	for l.receive(fd) {
		l.wrote = false
		if l.err != nil || !l.turn() {
			return true
		}
		// Its end may have come with these bytes, and the kernel says both at once. Where
		// something was written, it says so again: the other side refuses that.
		if !l.more && l.wrote && len(l.bytes) == 0 {
			break
		}
	}
	l.idle()
	return false
}

// receive reads what is there. It reports false when there is nothing and one
// has to wait.
func (l *link) receive(fd uintptr) bool {
	free := l.room()
	for {
		n, errno := rawRead(fd, free)
		switch {
		case errno == syscall.EINTR:
			continue
		case errno == syscall.EAGAIN:
			l.idle()
			return false
		case errno != 0:
			l.err = errno
		case n == 0:
			l.err = io.EOF
		default:
			l.took(n)
			l.more = n == len(free)
		}
		return true
	}
}

// quiet reports whether nothing is left of an answer.
func (l *link) quiet() bool { return len(l.bytes) == 0 }

// write writes all of b. It waits while the other side does not read.
func (l *link) write(b []byte) error {
	l.wrote = l.wrote || len(b) > 0
	for l.fd != 0 && len(b) > 0 {
		n, errno := rawWrite(l.fd, b)
		if errno == syscall.EINTR {
			continue
		}
		if errno == syscall.EAGAIN {
			break
		}
		if errno != 0 {
			return errno
		}
		b = b[n:]
	}
	if len(b) == 0 {
		return nil
	}
	_, err := l.conn.Write(b)
	return err
}

// linger says that nothing more will be written, and throws away what comes until the
// other side closes, or for so long.
func (l *link) linger(limit time.Duration) {
	l.drop()
	_ = l.conn.SetDeadline(time.Now().Add(limit))
	if c, ok := l.conn.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
	_, _ = io.Copy(io.Discard, l.conn)
}

// read is the ordinary way to wait for bytes.
func (l *link) read() error {
	for {
		n, err := l.conn.Read(l.room())
		if n > 0 {
			l.took(n)
			return nil
		}
		if err != nil {
			return err
		}
	}
}
