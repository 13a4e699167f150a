package static

import "bytes"

// Form is how a file lies on the disk: as it is, or compressed beside itself.
type Form uint8

// The forms, in the order in which the server prefers them where a client takes
// several alike.
const (
	Plain Form = iota
	Zstd
	Brotli
	Gzip
	forms
)

// ending of the file of a form behind the name of the plain one, and of its ETag.
var ending = [forms]string{"", ".zst", ".br", ".gz"}

// coding is the content coding of a form (RFC 9110, section 8.4.1).
var coding = [forms]string{"", "zstd", "br", "gzip"}

// Wanted is what a client takes: a quality of 0 to 1000 for each form; that of the
// plain one is at least 1, as there is nothing else to send in its place.
type Wanted [forms]uint16

// wants reads an Accept-Encoding (RFC 9110, section 12.5.3); empty: there is none.
func wants(accept []byte) Wanted {
	w := Wanted{Plain: 1}
	if len(accept) == 0 {
		return w
	}
	var said [forms]bool
	others := -1 // of "*"; -1: not named
	for len(accept) > 0 {
		var member []byte
		member, accept, _ = bytes.Cut(accept, []byte(","))
		name, params, _ := bytes.Cut(member, []byte(";"))
		name = bytes.TrimSpace(name)
		q, ok := quality(params)
		switch {
		case len(name) == 0 || !ok:
			continue
		case string(name) == "*":
			others = q
			continue
		}
		f, ok := formOf(name)
		if !ok || said[f] {
			continue
		}
		said[f] = true
		w[f] = uint16(q)
	}
	for f := Zstd; f < forms; f++ {
		if !said[f] && others > 0 {
			w[f] = uint16(others)
		}
	}
	// Unless it is named itself it is what is left when nothing else will do.
	w[Plain] = max(w[Plain], 1)
	return w
}

func formOf(name []byte) (Form, bool) {
	switch {
	case bytes.EqualFold(name, []byte("gzip")), bytes.EqualFold(name, []byte("x-gzip")):
		return Gzip, true
	case bytes.EqualFold(name, []byte("br")):
		return Brotli, true
	case bytes.EqualFold(name, []byte("zstd")):
		return Zstd, true
	case bytes.EqualFold(name, []byte("identity")):
		return Plain, true
	}
	return 0, false
}

// quality reads the weight behind a member of a list, in thousandths (RFC 9110,
// section 12.4.2); false: it is none.
func quality(params []byte) (int, bool) {
	params = bytes.TrimSpace(params)
	if len(params) == 0 {
		return 1000, true
	}
	name, value, ok := bytes.Cut(params, []byte("="))
	name, value = bytes.TrimSpace(name), bytes.TrimSpace(value)
	if !ok || len(name) != 1 || name[0]|0x20 != 'q' || len(value) == 0 || len(value) > 5 || value[0] > '1' || value[0] < '0' {
		return 0, false
	}
	q := int(value[0]-'0') * 1000
	if len(value) == 1 {
		return q, true
	}
	if value[1] != '.' {
		return 0, false
	}
	unit := 100
	for _, c := range value[2:] {
		if c < '0' || c > '9' {
			return 0, false
		}
		q += int(c-'0') * unit
		unit /= 10
	}
	return q, q <= 1000
}

// choose is the form to send of those that are there.
func (w Wanted) choose(there func(Form) bool) Form {
	best := Plain
	for f := Zstd; f < forms; f++ {
		// A compressed form wins over the plain one where both are as welcome.
		if w[f] > 0 && (w[f] > w[best] || best == Plain && w[f] == w[Plain]) && there(f) {
			best = f
		}
	}
	return best
}
