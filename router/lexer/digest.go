package lexer

// digestLimit is how much of a text makes its digest: what differs only after that
// is one kind of statement, and a row of a million values costs nothing.
const digestLimit = 2048

// The number that FNV-1a, of 64 bits, begins and multiplies with.
const (
	fnvBegin = 14695981039346656037
	fnvPrime = 1099511628211
)

// Digest is a number that is equal for statements that differ only in literals,
// comments, space, the case of words without quotes, and the lengths of lists. It
// is never 0 and allocates nothing.
func Digest(sql []byte, m Mode) uint64 {
	var d digester
	d.scan.Reset(sql[:min(len(sql), digestLimit)], m)
	hash := uint64(fnvBegin)
	for t, more := d.next(); more; t, more = d.next() {
		if t.Kind == Word {
			for _, c := range t.Text {
				hash = (hash ^ uint64(lower[c])) * fnvPrime
			}
		} else {
			for _, c := range t.Text {
				hash = (hash ^ uint64(c)) * fnvPrime
			}
		}
		hash = (hash ^ uint64(' ')) * fnvPrime
	}
	return max(hash, 1)
}

// Normal is the statement as Digest sees it: "?" for a literal, "(?)" for a list of
// them. No literal is in it, and no comment.
func Normal(sql []byte, m Mode) string {
	var d digester
	d.scan.Reset(sql[:min(len(sql), digestLimit)], m)
	var out []byte
	var last Token
	for t, more := d.next(); more; t, more = d.next() {
		if len(out) > 0 && !tight(last, t) {
			out = append(out, ' ')
		}
		out = append(out, t.Text...)
		last = t
	}
	return string(out)
}

// tight reports whether nothing stands between two tokens.
func tight(a, b Token) bool {
	return b.Is(',') || b.Is(')') || b.Is('.') || b.Is(';') || a.Is('(') || a.Is('.') || b.Is('(') && a.Kind == Word
}

// lower takes the case from a letter of ASCII.
var lower = func() (all [256]byte) {
	for i := range all {
		all[i] = byte(i)
		if i >= 'A' && i <= 'Z' {
			all[i] |= 0x20
		}
	}
	return all
}()

// digester walks over a text with its literals taken out.
type digester struct {
	scan  Scanner
	ahead Token // read already, when it is any
	holds bool  // it is
	over  bool
	value bool // the last token that was given out was a literal or a list of them
}

var (
	anyValue = Token{Kind: Number, Text: []byte("?")}
	anyList  = Token{Kind: Number, Text: []byte("(?)")}
)

// next is the next token; false at the end.
func (d *digester) next() (Token, bool) {
	if d.over {
		return Token{}, false
	}
	if d.value {
		d.skipMore()
	}
	t := d.token()
	d.value = false
	switch {
	case t.Kind == End:
		d.over = true
		return Token{}, false
	case t.Kind == Bad: // cut in a string, perhaps: nothing of it is shown
		d.over = true
		return anyValue, true
	case literal(t):
		d.value = true
		return anyValue, true
	case t.Is('(') && d.list():
		d.value = true
		return anyList, true
	}
	return t, true
}

func literal(t Token) bool { return t.Kind == Text || t.Kind == Number || t.Is('?') }

// list goes to the end of a list of literals, if the parenthesis has opened one.
func (d *digester) list() bool {
	ahead := d.scan
	for {
		t := ahead.Next()
		for t.Is('-') || t.Is('+') {
			t = ahead.Next()
		}
		if !literal(t) {
			return false
		}
		switch t = ahead.Next(); {
		case t.Is(')'):
			d.scan = ahead
			return true
		case !t.Is(','):
			return false
		}
	}
}

// token is the next one, as it stands in the text.
func (d *digester) token() Token {
	if d.holds {
		d.holds = false
		return d.ahead
	}
	return d.scan.Next()
}

// skipMore goes over ", 2, (3)" after a literal or a list of them.
func (d *digester) skipMore() {
	for {
		d.ahead, d.holds = d.token(), true
		if !d.ahead.Is(',') {
			return
		}
		behind := d.scan // the comma
		t := d.scan.Next()
		for t.Is('-') || t.Is('+') {
			t = d.scan.Next()
		}
		if !literal(t) && (!t.Is('(') || !d.list()) {
			d.scan = behind
			return
		}
		d.holds = false
	}
}
