package binlog

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/mmm-ha/mmm/topology/gtid"
)

// Transaction is one GTID of a file.
type Transaction struct {
	GTID       gtid.Set // exactly one
	File       string
	Start, End int64    // bytes of the file, from its GTID event to behind its last event
	Tables     []string // "schema.table" of its row events, each once
	Statements []string // what it says in SQL, without BEGIN, COMMIT and the like
	Rows       int      // row events
	Partial    bool     // a row event has not all columns (binlog_row_image is not FULL)
	Opaque     string   // what in it cannot be read here; empty: nothing
}

// Head is what a file says before its first transaction.
type Head struct {
	State gtid.State // of the binlog when the file was begun
}

// ErrEncrypted: the file is encrypted, and only its server can read it.
var ErrEncrypted = errors.New("the binlog is encrypted")

// Types of events, as the server numbers them.
const (
	typeQuery           = 2
	typeStop            = 3
	typeRotate          = 4
	typeIntvar          = 5
	typeRand            = 13
	typeUserVar         = 14
	typeFormat          = 15
	typeXID             = 16
	typeTableMap        = 19
	typeHeartbeat       = 27
	typeAnnotate        = 160
	typeCheckpoint      = 161
	typeGTID            = 162
	typeGTIDList        = 163
	typeStartEncryption = 164
)

var rowTypes = []byte{23, 24, 25, 30, 31, 32}

const (
	headLen = 19
	// checksumLen is the length of the CRC32 behind each event; checksumNone the
	// algorithm's number when there is none.
	checksumLen  = 4
	checksumNone = 0
	// bodyMax bounds what is read of one event: a name or a statement; rowsMax what
	// is read of one with rows: its bitmaps of columns, and never the rows.
	bodyMax = 1 << 20
	rowsMax = 2 << 10
)

type event struct {
	kind   byte
	server uint32
	start  int64
	end    int64
	body   []byte // its beginning; without the checksum if it is whole
	whole  bool
}

// Read calls visit for each transaction of a file, in order, and says what its
// head says. The file may be the one that its server writes to. An error of
// visit ends it and is returned.
func Read(path string, visit func(Transaction) error) (_ Head, err error) {
	f, err := os.Open(path)
	if err != nil {
		return Head{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r := &reader{in: bufio.NewReaderSize(f, 1<<16), path: path, visit: visit}
	if err := r.run(); err != nil {
		return r.head, fmt.Errorf("read binlog %s: %w", path, err)
	}
	return r.head, nil
}

type reader struct {
	in       *bufio.Reader
	path     string
	at       int64
	checksum int64
	head     Head
	open     *Transaction
	visit    func(Transaction) error
}

func (r *reader) run() error {
	magic := make([]byte, 4)
	if _, err := io.ReadFull(r.in, magic); err != nil || string(magic) != "\xfebin" {
		return errors.New("it is no binlog")
	}
	r.at = 4
	for {
		e, err := r.next()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return r.finish()
		}
		if err == nil {
			err = r.take(e)
		}
		if err != nil {
			return err
		}
	}
}

// next reads the head of an event and as much of its body as is ever looked at.
func (r *reader) next() (event, error) {
	head := make([]byte, headLen)
	if _, err := io.ReadFull(r.in, head); err != nil {
		return event{}, err
	}
	size := int64(binary.LittleEndian.Uint32(head[9:]))
	if size < headLen {
		return event{}, fmt.Errorf("the event at %d says that it has %d bytes", r.at, size)
	}
	e := event{kind: head[4], server: binary.LittleEndian.Uint32(head[5:]), start: r.at, end: r.at + size}
	limit := int64(bodyMax)
	if slices.Contains(rowTypes, e.kind) {
		limit = rowsMax
	}
	e.body = make([]byte, min(size-headLen, limit))
	if _, err := io.ReadFull(r.in, e.body); err != nil {
		return event{}, err
	}
	rest := size - headLen - int64(len(e.body))
	if n, err := r.in.Discard(int(rest)); err != nil || int64(n) != rest {
		return event{}, io.ErrUnexpectedEOF
	}
	e.whole = rest == 0
	if e.whole && int64(len(e.body)) >= r.checksum {
		e.body = e.body[:int64(len(e.body))-r.checksum]
	}
	r.at = e.end
	return e, nil
}

func (r *reader) take(e event) error {
	switch e.kind {
	case typeFormat:
		return r.format(e)
	case typeStartEncryption:
		return ErrEncrypted
	case typeGTIDList:
		return r.list(e)
	case typeGTID:
		return r.begin(e)
	case typeStop, typeRotate, typeCheckpoint, typeHeartbeat:
		return r.finish()
	}
	if r.open == nil {
		return nil // of a transaction without a number: MariaDB writes none
	}
	t := r.open
	t.End = e.end
	switch {
	case e.kind == typeTableMap:
		t.addTable(e.body)
	case slices.Contains(rowTypes, e.kind):
		t.Rows++
		t.Partial = t.Partial || partial(e)
	case e.kind == typeQuery:
		t.addStatement(e)
	case !slices.Contains([]byte{typeXID, typeAnnotate, typeIntvar, typeRand, typeUserVar}, e.kind):
		t.Opaque = fmt.Sprintf("an event of type %d", e.kind)
	}
	return nil
}

// format finds out whether a checksum follows each event: the last byte but the
// checksum of the description is the algorithm's number.
func (r *reader) format(e event) error {
	if len(e.body) < checksumLen+1 {
		return errors.New("its description is too short")
	}
	if r.checksum == 0 && e.body[len(e.body)-checksumLen-1] != checksumNone {
		r.checksum = checksumLen
	}
	return nil
}

// list reads the state: a count, then server, domain and number of each.
func (r *reader) list(e event) error {
	if len(e.body) < 4 {
		return errors.New("its list of GTIDs is too short")
	}
	n := int(binary.LittleEndian.Uint32(e.body) & 0x0fffffff)
	var parts []string
	const width = 16 // domain, server, number
	for i := range n {
		at := 4 + i*width
		if at+width > len(e.body) {
			return errors.New("its list of GTIDs is too short")
		}
		b := e.body[at:]
		parts = append(parts, fmt.Sprintf("%d-%d-%d", binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint64(b[8:])))
	}
	state, err := gtid.ParseState(strings.Join(parts, ","))
	r.head.State = state
	return err
}

func (r *reader) begin(e event) error {
	if err := r.finish(); err != nil {
		return err
	}
	if len(e.body) < 13 {
		return fmt.Errorf("the GTID event at %d is too short", e.start)
	}
	id, err := gtid.Parse(fmt.Sprintf("%d-%d-%d", binary.LittleEndian.Uint32(e.body[8:]), e.server, binary.LittleEndian.Uint64(e.body)))
	if err != nil {
		return err
	}
	r.open = &Transaction{GTID: id, File: r.path, Start: e.start, End: e.end}
	return nil
}

// finish hands out the transaction that was read last.
func (r *reader) finish() error {
	if r.open == nil {
		return nil
	}
	t := *r.open
	r.open = nil
	return r.visit(t)
}

// addTable reads the names of a table map: number and flags, then schema and
// table, each with its length before and a zero behind.
func (t *Transaction) addTable(body []byte) {
	const names = 8
	if len(body) <= names {
		t.Opaque = "a table without a name"
		return
	}
	schema, rest, ok := counted(body[names:])
	table, _, ok2 := counted(rest)
	if !ok || !ok2 {
		t.Opaque = "a table without a name"
		return
	}
	if name := schema + "." + table; !slices.Contains(t.Tables, name) {
		t.Tables = append(t.Tables, name)
	}
}

// partial reports whether a row event leaves columns out: after number, flags and
// (in the newer types) extra data come the count of columns and a bit for each;
// an update has two such maps.
func partial(e event) bool {
	const fixed, newer, update1, update2 = 8, 30, 24, 31
	at := fixed
	if e.kind >= newer && len(e.body) >= fixed+2 {
		at += int(binary.LittleEndian.Uint16(e.body[fixed:]))
	}
	if at >= len(e.body) {
		return true
	}
	columns := int(e.body[at])
	at++
	if columns == 252 && at+2 <= len(e.body) { // a count of two bytes follows
		columns = int(binary.LittleEndian.Uint16(e.body[at:]))
		at += 2
	}
	maps := 1
	if e.kind == update1 || e.kind == update2 {
		maps = 2
	}
	for range maps {
		for i := range columns {
			if b := at + i/8; b >= len(e.body) || e.body[b]&(1<<(i%8)) == 0 {
				return true
			}
		}
		at += (columns + 7) / 8
	}
	return false
}

func counted(b []byte) (text string, rest []byte, ok bool) {
	if len(b) == 0 || len(b) < int(b[0])+2 {
		return "", nil, false
	}
	n := int(b[0])
	return string(b[1 : 1+n]), b[n+2:], true
}

// silent are the statements that only mark where a transaction begins and ends.
var silent = []string{"BEGIN", "COMMIT", "ROLLBACK", "START TRANSACTION"}

// addStatement reads a query: thread, time, length of the schema's name, error,
// length of the status variables; then those, the schema, a zero, the text.
func (t *Transaction) addStatement(e event) {
	const fixed = 13
	if !e.whole || len(e.body) < fixed {
		t.Opaque = "a statement that is too long to be read"
		return
	}
	at := fixed + int(binary.LittleEndian.Uint16(e.body[11:])) + int(e.body[8]) + 1
	if at > len(e.body) {
		t.Opaque = "a statement that cannot be read"
		return
	}
	text := strings.TrimSpace(string(e.body[at:]))
	if !slices.Contains(silent, strings.ToUpper(text)) {
		t.Statements = append(t.Statements, text)
	}
}
