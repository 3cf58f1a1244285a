package wire

// oldPlugin and its salt of eight bytes are meant by a question of one byte.
const oldPlugin = "mysql_old_password"

// ParseAuthSwitch reads a server's question for another plugin's answer. data,
// the plugin's salt, is a part of p; some plugins have none.
func ParseAuthSwitch(p []byte) (plugin string, data []byte, ok bool) {
	if len(p) == 0 || p[0] != markEOF {
		return "", nil, false
	}
	if len(p) == 1 {
		return oldPlugin, nil, true
	}
	name, data, ok := readNul(p[1:])
	if !ok {
		return "", nil, false
	}
	if n := len(data); n > 0 && data[n-1] == 0 {
		data = data[:n-1]
	}
	return string(name), data, true
}

// AppendAuthSwitch appends a question for another plugin's answer.
func AppendAuthSwitch(dst []byte, plugin string, data []byte) []byte {
	dst = append(append(append(dst, markEOF), plugin...), 0)
	return append(append(dst, data...), 0)
}

// markMore begins what a plugin says between question and end.
const markMore = 0x01

// ParseAuthMore takes what a plugin says; it is a part of p.
func ParseAuthMore(p []byte) (data []byte, ok bool) {
	if len(p) == 0 || p[0] != markMore {
		return nil, false
	}
	return p[1:], true
}

// AppendAuthMore appends what a plugin says.
func AppendAuthMore(dst, data []byte) []byte { return append(append(dst, markMore), data...) }
