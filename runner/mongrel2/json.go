package mongrel2

// fieldFunc takes one value of a header dictionary; listed tells that it is one
// of a list.
type fieldFunc func(key, value []byte, listed bool) error

// object reads the header dictionary of the "json" protocol: one object whose
// values are strings or lists of strings. It is lenient where mongrel2 is: any
// byte may stand in a string.
func (p *jsonText) object(f fieldFunc) error {
	if !p.take('{') {
		return malformed("headers are not a JSON object")
	}
	if p.take('}') {
		return p.end()
	}
	for {
		key, ok := p.str()
		if !ok || !p.take(':') {
			return malformed("header name is not a JSON string")
		}
		if err := p.value(key, f); err != nil {
			return err
		}
		if p.take(',') {
			continue
		}
		if !p.take('}') {
			return malformed("JSON object does not end")
		}
		return p.end()
	}
}

func (p *jsonText) value(key []byte, f fieldFunc) error {
	if !p.take('[') {
		value, ok := p.str()
		if !ok {
			return malformed("header value is neither a JSON string nor a list")
		}
		return f(key, value, false)
	}
	if p.take(']') {
		return nil
	}
	for {
		value, ok := p.str()
		if !ok {
			return malformed("header value is not a list of JSON strings")
		}
		if err := f(key, value, true); err != nil {
			return err
		}
		if p.take(',') {
			continue
		}
		if !p.take(']') {
			return malformed("JSON list does not end")
		}
		return nil
	}
}

// jsonText is what is left of a JSON text.
type jsonText struct {
	b []byte
	i int
}

func (p *jsonText) skip() {
	for p.i < len(p.b) {
		switch p.b[p.i] {
		case ' ', '\t', '\n', '\r':
			p.i++
		default:
			return
		}
	}
}

func (p *jsonText) take(c byte) bool {
	p.skip()
	if p.i < len(p.b) && p.b[p.i] == c {
		p.i++
		return true
	}
	return false
}

func (p *jsonText) end() error {
	if p.skip(); p.i != len(p.b) {
		return malformed("bytes after the JSON object")
	}
	return nil
}

// str reads a string. Without an escape it is a slice of the text.
func (p *jsonText) str() ([]byte, bool) {
	if !p.take('"') {
		return nil, false
	}
	start := p.i
	for ; p.i < len(p.b); p.i++ {
		switch p.b[p.i] {
		case '"':
			s := p.b[start:p.i:p.i]
			p.i++
			return s, true
		case '\\':
			return p.escaped(start)
		}
	}
	return nil, false
}

// escaped goes on with a string that has an escape at p.i.
func (p *jsonText) escaped(start int) ([]byte, bool) {
	s := append(make([]byte, 0, p.i-start+32), p.b[start:p.i]...)
	for ; p.i < len(p.b); p.i++ {
		c := p.b[p.i]
		if c == '"' {
			p.i++
			return s, true
		}
		if c != '\\' {
			s = append(s, c)
			continue
		}
		if p.i++; p.i == len(p.b) {
			return nil, false
		}
		switch c = p.b[p.i]; c {
		case '"', '\\', '/':
			s = append(s, c)
		case 'b':
			s = append(s, '\b')
		case 'f':
			s = append(s, '\f')
		case 'n':
			s = append(s, '\n')
		case 'r':
			s = append(s, '\r')
		case 't':
			s = append(s, '\t')
		case 'u':
			n, ok := hex4(p.b[p.i+1:])
			if !ok || n > 0xff { // no byte can have been meant
				return nil, false
			}
			s = append(s, byte(n))
			p.i += 4
		default:
			return nil, false
		}
	}
	return nil, false
}

func hex4(b []byte) (n int, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | int(c-'0')
		case c >= 'a' && c <= 'f':
			n = n<<4 | int(c-'a'+10)
		case c >= 'A' && c <= 'F':
			n = n<<4 | int(c-'A'+10)
		default:
			return 0, false
		}
	}
	return n, true
}
