package applog

import "unicode/utf8"

// appendClean writes a line for a text log without what a terminal would obey: an
// app, or a client by what the app prints of it, must not move the cursor of the
// one who reads the log, paint his screen, or turn the order of letters around.
// Each becomes its escape, \x1b or \u202e. Tabs stay.
func appendClean(dst, line []byte) []byte {
	from := 0
	for i := 0; i < len(line); {
		c := line[i]
		if c >= ' ' && c < 0x7f || c == '\t' {
			i++
			continue
		}
		r, n := rune(c), 1
		if c >= utf8.RuneSelf {
			if r, n = utf8.DecodeRune(line[i:]); r == utf8.RuneError && n == 1 {
				r = rune(c) // no UTF-8: a terminal of 8 bits sees the byte
			}
			if !obeyed(r) {
				i += n
				continue
			}
		}
		dst = append(dst, line[from:i]...)
		if r < 0x100 {
			dst = append(dst, '\\', 'x', hexDigits[r>>4], hexDigits[r&15])
		} else {
			dst = append(dst, '\\', 'u', hexDigits[r>>12], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
		}
		i += n
		from = i
	}
	return append(dst, line[from:]...)
}

// obeyed tells that a terminal does more with a rune than to show it: the control
// characters C0 and C1, line separators, and what changes the direction of text.
func obeyed(r rune) bool {
	switch {
	case r < ' ', r >= 0x7f && r < 0xa0:
		return true
	case r >= 0x200e && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x061c:
		return true
	}
	return false
}
