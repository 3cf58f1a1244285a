package binlog

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
)

// ID is one GTID of MariaDB.
type ID struct {
	Domain, Server uint32
	Number         uint64
}

// String is domain-server-number.
func (i ID) String() string { return fmt.Sprintf("%d-%d-%d", i.Domain, i.Server, i.Number) }

// Whole is a transaction that is complete to its commit, with its events as they
// stand in the file, so that a server can be given them again.
type Whole struct {
	ID
	Time       uint32   // when it began, in seconds of its first writer's clock; replicas keep it
	Format     []byte   // the description by which its events are read
	Statements [][]byte // table maps and changes of rows, one piece for each statement
	Other      string   // what in it is no change of rows; empty: nothing
}

// Beginning is how a log file begins.
type Beginning struct {
	Start  bool // it was begun by a start of the server, not by rotation
	Before []ID // of a binlog: what the server had then, the last of each domain and server
}

const (
	typeXAPrepare   = 38
	typeQueryPacked = 165
	eventMax        = 1 << 30 // bytes of one event: the server allows no more in a packet

	standalone   = 0x01 // of a GTID event: one statement follows, and no commit
	statementEnd = 0x01 // of a change of rows: its statement ends here
)

// packedRows change rows as rowTypes do, compressed.
var packedRows = []byte{166, 167, 168, 169, 170, 171}

// errTorn: the file ends inside an event, or its end was never written, as a
// crash leaves it.
var errTorn = errors.New("the file is torn")

// ReadWhole goes through binlogs, or relay logs, in order, and shows each whole
// transaction. One that is cut off, by a new one or by the end of the last file,
// is left out: nobody can have acknowledged it. Checksums are verified. Behind a
// torn end nothing may follow. What is returned is of the first file.
func ReadWhole(paths []string, visit func(Whole) error) (Beginning, error) {
	var first Beginning
	torn := false
	w := wholeReader{visit: func(t Whole) error {
		if torn {
			return errTorn // what the torn file held before this one is not known
		}
		return visit(t)
	}}
	for i, path := range paths {
		err := w.file(path)
		if errors.Is(err, errTorn) && !torn {
			torn, w.open, err = true, nil, nil
		}
		if err != nil {
			return first, fmt.Errorf("read %s: %w", path, err)
		}
		if i == 0 {
			first = w.begin
		}
	}
	return first, nil
}

// ReadBeginning reads only how a file begins, without Before.
func ReadBeginning(path string) (_ Beginning, err error) {
	f, err := os.Open(path)
	if err != nil {
		return Beginning{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := wholeReader{}
	raw, err := w.opening(f)
	if err == nil {
		err = w.describe(raw)
	}
	return w.begin, err
}

// wholeReader is how far the files were read.
type wholeReader struct {
	visit     func(Whole) error
	begin     Beginning
	fresh     bool // no list and no transaction yet in this file
	format    []byte
	checksums bool
	open      *Whole // begun and not complete; a relay log goes on with it in the next file
	piece     []byte // of its present statement
	alone     bool   // it ends with its first statement
}

func (w *wholeReader) file(path string) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	in := bufio.NewReaderSize(f, 1<<16)
	w.begin, w.fresh, w.format, w.checksums = Beginning{}, true, nil, false
	raw, err := w.opening(in)
	for err == nil {
		if err = w.event(raw); err == nil {
			raw, err = readEvent(in)
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// opening reads the first event, which describes the others.
func (w *wholeReader) opening(in io.Reader) ([]byte, error) {
	magic := make([]byte, 4)
	if _, err := io.ReadFull(in, magic); err != nil || string(magic) != "\xfebin" {
		return nil, errTorn
	}
	raw, err := readEvent(in)
	if err != nil || raw[4] != typeFormat {
		return nil, errTorn
	}
	return raw, nil
}

// readEvent reads one event; io.EOF: there is none.
func readEvent(in io.Reader) ([]byte, error) {
	head := make([]byte, headLen)
	switch _, err := io.ReadFull(in, head); {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errTorn
	case err != nil:
		return nil, err
	}
	size := int64(binary.LittleEndian.Uint32(head[9:]))
	if size < headLen || size > eventMax {
		return nil, errTorn
	}
	body, err := io.ReadAll(io.LimitReader(in, size-headLen)) // never more memory than the file has bytes
	if err == nil && int64(len(body)) < size-headLen {
		err = errTorn
	}
	return append(head, body...), err
}

func (w *wholeReader) event(raw []byte) error {
	kind := raw[4]
	if kind == typeFormat {
		return w.describe(raw)
	}
	body, err := w.checked(raw)
	switch {
	case err != nil:
		return err
	case kind == typeStartEncryption:
		return ErrEncrypted
	case kind == typeGTIDList:
		return w.list(body)
	case kind == typeGTID:
		return w.start(raw, body)
	case w.open == nil:
		return nil
	case kind == typeTableMap:
		w.piece = append(w.piece, raw...)
		return nil
	case slices.Contains(rowTypes, kind), slices.Contains(packedRows, kind):
		return w.rows(raw, body)
	case kind == typeXAPrepare:
		w.open.Other = "XA PREPARE"
		return w.commit()
	case kind == typeXID:
		return w.commit()
	case kind == typeQuery, kind == typeQueryPacked:
		return w.query(kind, body)
	default:
		return nil
	}
}

// checked is the body of an event without its checksum.
func (w *wholeReader) checked(raw []byte) ([]byte, error) {
	body := raw[headLen:]
	if !w.checksums || raw[4] == typeRotate { // one that a source made up may have none
		return body, nil
	}
	if len(body) < checksumLen {
		return nil, errTorn
	}
	body = body[:len(body)-checksumLen]
	if crc32.ChecksumIEEE(raw[:headLen+len(body)]) != binary.LittleEndian.Uint32(raw[headLen+len(body):]) {
		return nil, errTorn
	}
	return body, nil
}

// describe takes a format description: it says whether checksums follow, and
// whether a start of the server began the file. A relay log has one more of the
// source's.
func (w *wholeReader) describe(raw []byte) error {
	const created, algorithm = headLen + 2 + 50, checksumLen + 1
	if len(raw) < created+4+1+algorithm {
		return errTorn
	}
	if w.format == nil {
		w.begin.Start = binary.LittleEndian.Uint32(raw[created:]) != 0
	}
	w.checksums = raw[len(raw)-algorithm] != checksumNone
	w.format = bytes.Clone(raw)
	return nil
}

// list takes what the server had when it began the file. In a relay log the
// source makes up more of them; the first one counts.
func (w *wholeReader) list(body []byte) error {
	const each = 16
	if len(body) < 4 {
		return errTorn
	}
	n := int(binary.LittleEndian.Uint32(body) & (1<<28 - 1))
	if len(body) < 4+n*each {
		return errTorn
	}
	for b := body[4:]; w.fresh && n > 0; n, b = n-1, b[each:] {
		w.begin.Before = append(w.begin.Before, ID{Domain: binary.LittleEndian.Uint32(b), Server: binary.LittleEndian.Uint32(b[4:]), Number: binary.LittleEndian.Uint64(b[8:])})
	}
	w.fresh = false
	return nil
}

func (w *wholeReader) start(raw, body []byte) error {
	if len(body) < 13 {
		return errTorn
	}
	w.fresh, w.alone, w.piece = false, body[12]&standalone != 0, nil
	w.open = &Whole{Format: w.format, Time: binary.LittleEndian.Uint32(raw), ID: ID{Domain: binary.LittleEndian.Uint32(body[8:]), Server: binary.LittleEndian.Uint32(raw[5:]), Number: binary.LittleEndian.Uint64(body)}}
	return nil
}

// rows collects the changes of one statement.
func (w *wholeReader) rows(raw, body []byte) error {
	if len(body) < 8 {
		return errTorn
	}
	w.piece = append(w.piece, raw...)
	if binary.LittleEndian.Uint16(body[6:])&statementEnd != 0 {
		w.open.Statements = append(w.open.Statements, w.piece)
		w.piece = nil
	}
	return nil
}

// query takes a statement. COMMIT and ROLLBACK end a transaction.
func (w *wholeReader) query(kind byte, body []byte) error {
	const fixed = 13 // as for addStatement
	if len(body) < fixed {
		return errTorn
	}
	text, at := "a compressed statement", fixed+int(binary.LittleEndian.Uint16(body[11:]))+int(body[8])+1
	if kind == typeQuery {
		if at > len(body) {
			return errTorn
		}
		text = string(body[at:])
	}
	switch text {
	case "COMMIT", "ROLLBACK":
		return w.commit()
	case "BEGIN":
		return nil
	}
	w.open.Other = text
	if w.alone {
		return w.commit()
	}
	return nil
}

func (w *wholeReader) commit() error {
	t := *w.open
	w.open, w.piece = nil, nil
	return w.visit(t)
}
