package applog

import (
	"bytes"
	"unicode/utf8"
)

const (
	// maxLastLine is how much of a last line a message repeats, in bytes.
	maxLastLine = 240
	// maxKeptLine is how long a line is that is kept as it came; of a longer one the
	// secrets are hidden before it is cut, so that none is cut in two.
	maxKeptLine = 4 << 10
)

// lastLine keeps the last line of an output that is not blank.
type lastLine []byte

func (k *lastLine) add(l *Log, line []byte) {
	if len(bytes.TrimSpace(line)) == 0 {
		return
	}
	if len(line) > maxKeptLine {
		line = l.mask.Bytes(line)
		line = line[:min(len(line), maxKeptLine)]
	}
	*k = append((*k)[:0], line...)
}

// text is the line as a message may repeat it.
func (k lastLine) text(l *Log) string {
	b := appendClean(nil, bytes.TrimSpace(l.mask.Bytes(k)))
	b = bytes.ReplaceAll(b, []byte{'\t'}, []byte{' '})
	if len(b) <= maxLastLine {
		return string(b)
	}
	cut := maxLastLine
	for cut > 0 && !utf8.RuneStart(b[cut]) {
		cut--
	}
	return string(b[:cut]) + "…"
}
