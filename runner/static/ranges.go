package static

import "bytes"

// mostRanges is how many parts an answer has at most: whoever asks for more gets
// all of the file.
const mostRanges = 16

// span is a part of a file.
type span struct{ from, length int64 }

// rangesOf reads a Range for a file of a size (RFC 9110, section 14.1.2). Without ok
// it is to be passed over: another unit, not well formed, or more than the file
// itself. No span: none can be satisfied.
func rangesOf(v []byte, size int64) (spans []span, ok bool) {
	unit, set, found := bytes.Cut(v, []byte("="))
	if !found || !bytes.EqualFold(bytes.TrimSpace(unit), []byte("bytes")) {
		return nil, false
	}
	members, total := 0, int64(0)
	for more := true; more; {
		var one []byte
		one, set, more = bytes.Cut(set, []byte(","))
		if one = bytes.TrimSpace(one); len(one) == 0 {
			continue // an empty member of a list (section 5.6.1.2)
		}
		if members++; members > 1024 {
			return nil, false
		}
		s, good, there := spanOf(one, size)
		if !good {
			return nil, false
		}
		if there {
			spans = append(spans, s)
			total += s.length
		}
	}
	if members == 0 || len(spans) > mostRanges || len(spans) > 1 && total > size {
		return nil, false
	}
	return spans, true
}

// spanOf reads one range; there: the file has some of it.
func spanOf(v []byte, size int64) (s span, good, there bool) {
	first, last, found := bytes.Cut(v, []byte("-"))
	if !found {
		return s, false, false
	}
	if len(first) == 0 {
		n, ok := number(last)
		if !ok {
			return s, false, false
		}
		n = min(n, size)
		return span{size - n, n}, true, n > 0
	}
	from, ok := number(first)
	if !ok {
		return s, false, false
	}
	to := size - 1
	if len(last) > 0 {
		n, ok := number(last)
		if !ok || n < from {
			return s, false, false
		}
		to = min(to, n)
	}
	if from >= size {
		return s, true, false
	}
	return span{from, to - from + 1}, true, true
}

// number reads digits; what is too large is as large as can be.
func number(v []byte) (int64, bool) {
	if len(v) == 0 {
		return 0, false
	}
	const most = 1<<62 - 1
	n := int64(0)
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n = n*10 + int64(c-'0'); n > most/16 {
			n = most / 16
		}
	}
	return n, true
}
