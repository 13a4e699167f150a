package wsgi

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"
)

// The subset of Python's marshal format, version 2 to 4, that is written here.
// Every CPython from 3.8 on reads it. Source: Python/marshal.c.
const (
	tNone       = 'N'
	tTrue       = 'T'
	tFalse      = 'F'
	tInt        = 'i' // int32
	tLong       = 'l' // int32 number of 15-bit digits, negative for a negative number
	tFloat      = 'g' // float64
	tBytes      = 's' // uint32 length
	tShortASCII = 'z' // uint8 length
	tASCII      = 'a' // uint32 length
	tUnicode    = 'u' // uint32 length, UTF-8 with surrogates let through
	// tShortInterned is a short ASCII string that Python interns. Since Python
	// 3.12 such a string is never freed, so it is for names of ours alone: a
	// client that chose it would fill the worker's memory.
	tShortInterned = 'Z'
	tTuple         = '(' // uint32 length
	tList          = '['
	tDict          = '{'
	tNull          = '0' // ends a dict
)

// Tuple becomes a Python tuple.
type Tuple []any

// Latin1 becomes a Python str of one code point a byte, the form in which
// PEP 3333 ("Unicode Issues") passes bytes to an application.
type Latin1 []byte

// AppendValue appends v as Python marshal data: nil, bool, int, int64,
// float64, string, []byte, Latin1, Tuple, []any, []string, map[string]any and
// map[string]string. Maps are written in the order of their keys. Bytes of a
// string that are no UTF-8 become lone surrogates, as os.fsdecode makes them.
//
// A value of another type is an error and leaves dst as it was.
func AppendValue(dst []byte, v any) ([]byte, error) {
	start := len(dst)
	dst, err := appendValue(dst, v)
	if err != nil {
		return dst[:start], err
	}
	return dst, nil
}

func appendValue(dst []byte, v any) ([]byte, error) {
	var err error
	switch v := v.(type) {
	case nil:
		return append(dst, tNone), nil
	case bool:
		if v {
			return append(dst, tTrue), nil
		}
		return append(dst, tFalse), nil
	case int:
		return appendInt(dst, int64(v)), nil
	case int64:
		return appendInt(dst, v), nil
	case float64:
		dst = append(dst, tFloat)
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v)), nil
	case string:
		return appendString(dst, v), nil
	case []byte:
		return append(appendSize(dst, tBytes, len(v)), v...), nil
	case Latin1:
		return appendLatin1(dst, v), nil
	case Tuple:
		dst = appendSize(dst, tTuple, len(v))
		for _, e := range v {
			if dst, err = appendValue(dst, e); err != nil {
				return dst, err
			}
		}
		return dst, nil
	case []any:
		dst = appendSize(dst, tList, len(v))
		for _, e := range v {
			if dst, err = appendValue(dst, e); err != nil {
				return dst, err
			}
		}
		return dst, nil
	case []string:
		dst = appendSize(dst, tList, len(v))
		for _, e := range v {
			dst = appendString(dst, e)
		}
		return dst, nil
	case map[string]any:
		dst = append(dst, tDict)
		for _, k := range sortedKeys(v) {
			dst = appendString(dst, k)
			if dst, err = appendValue(dst, v[k]); err != nil {
				return dst, err
			}
		}
		return append(dst, tNull), nil
	case map[string]string:
		dst = append(dst, tDict)
		for _, k := range sortedKeys(v) {
			dst = appendString(dst, k)
			dst = appendString(dst, v[k])
		}
		return append(dst, tNull), nil
	}
	return dst, fmt.Errorf("cannot encode value for Python: type %T is not supported", v)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func appendSize(dst []byte, typ byte, n int) []byte {
	return append(dst, typ, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
}

func appendInt(dst []byte, v int64) []byte {
	if v >= math.MinInt32 && v <= math.MaxInt32 {
		return binary.LittleEndian.AppendUint32(append(dst, tInt), uint32(int32(v)))
	}
	u := uint64(v)
	if v < 0 {
		u = -u
	}
	digits := 0
	for rest := u; rest > 0; rest >>= 15 {
		digits++
	}
	if v < 0 {
		dst = appendSize(dst, tLong, -digits)
	} else {
		dst = appendSize(dst, tLong, digits)
	}
	for ; u > 0; u >>= 15 {
		dst = binary.LittleEndian.AppendUint16(dst, uint16(u&0x7fff))
	}
	return dst
}

// appendString writes a Go string.
func appendString(dst []byte, s string) []byte {
	ascii := true
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			ascii = false
			break
		}
	}
	if ascii {
		if len(s) <= math.MaxUint8 {
			dst = append(dst, tShortASCII, byte(len(s)))
		} else {
			dst = appendSize(dst, tASCII, len(s))
		}
		return append(dst, s...)
	}
	at := len(dst)
	dst = appendSize(dst, tUnicode, 0)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			dst = appendSurrogate(dst, s[i])
		} else {
			dst = append(dst, s[i:i+size]...)
		}
		i += size
	}
	binary.LittleEndian.PutUint32(dst[at+1:], uint32(len(dst)-at-5))
	return dst
}

// appendSurrogate writes the UTF-8 form of U+DC00+b, which Go refuses to write
// and marshal reads.
func appendSurrogate(dst []byte, b byte) []byte {
	r := 0xdc00 + rune(b)
	return append(dst, 0xe0|byte(r>>12), 0x80|byte(r>>6)&0x3f, 0x80|byte(r)&0x3f)
}

// appendLatin1 writes bytes as a str of the code points U+0000 to U+00FF.
func appendLatin1(dst, b []byte) []byte {
	high := countHigh(b)
	if high == 0 {
		return appendASCII(dst, b)
	}
	dst = appendSize(dst, tUnicode, len(b)+high)
	return appendLatin1Bytes(dst, b)
}

// appendASCII writes bytes that are known to be below 0x80.
func appendASCII(dst, b []byte) []byte {
	if len(b) <= math.MaxUint8 {
		dst = append(dst, tShortASCII, byte(len(b)))
	} else {
		dst = appendSize(dst, tASCII, len(b))
	}
	return append(dst, b...)
}

func appendLatin1Bytes(dst, b []byte) []byte {
	for _, c := range b {
		if c < 0x80 {
			dst = append(dst, c)
		} else {
			dst = append(dst, 0xc0|c>>6, 0x80|c&0x3f)
		}
	}
	return dst
}

// countHigh counts the bytes of 0x80 and above.
func countHigh(b []byte) int {
	n := 0
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b)&0x8080808080808080 != 0 {
			for _, c := range b[:8] {
				n += int(c >> 7)
			}
		}
		b = b[8:]
	}
	for _, c := range b {
		n += int(c >> 7)
	}
	return n
}
