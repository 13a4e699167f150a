package http1

import "github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"

const (
	maxChunkDigits = 16
	// maxChunkSize keeps sums of sizes in range.
	maxChunkSize = 1 << 50
	// maxExtension bounds the extensions of one chunk, in bytes.
	maxExtension = 1 << 10
	// maxExcess bounds what framing may cost beyond a fair share of the data: a
	// body of one-byte chunks with long extensions would keep us busy for
	// nothing.
	maxExcess   = 16 << 10
	maxTrailers = 8 << 10
)

type chunkState uint8

const (
	atSizeFirst chunkState = iota // before the first digit of a size
	atSize
	atSizeSpace // in the white space between a size and an extension
	atExtension
	atSizeLF
	atData
	atDataCR
	atDataLF
	atTrailer // at the beginning of a trailer line
	atTrailerName
	atTrailerValue
	atTrailerLF
	atEndLF
	atEnd
	atError
)

// ChunkedReader takes the chunked coding off a body (RFC 9112, section 7.1).
// The zero value is at the beginning of a body. Extensions and trailers are
// checked and dropped.
type ChunkedReader struct {
	state    chunkState
	digits   int
	size     int64 // of the chunk, then what is left of it
	ext      int
	excess   int64
	trailers int
	err      *Error
}

// Reset makes the reader ready for another body.
func (c *ChunkedReader) Reset() { *c = ChunkedReader{} }

// Decode takes bytes from the front of src, n of them, and returns the body
// data among them, a part of src. Call it until n is 0 or done is set: each
// call yields at most one run of data, and no data where it took framing
// alone. done: the body ended with these n bytes; what follows in src is the
// next request.
//
// An error is an *Error and final.
func (c *ChunkedReader) Decode(src []byte) (data []byte, n int, done bool, err error) {
	if c.state == atEnd {
		return nil, 0, true, nil
	}
	if c.state == atError {
		return nil, 0, false, c.err
	}
	for n < len(src) {
		if c.state == atData {
			take := len(src) - n
			if int64(take) > c.size {
				take = int(c.size)
			}
			data = src[n : n+take]
			n += take
			if c.size -= int64(take); c.size == 0 {
				c.state = atDataCR
			}
			return data, n, false, nil
		}
		b := src[n]
		n++
		if e := c.step(b); e != nil {
			c.state, c.err = atError, e
			return nil, n, false, e
		}
		if c.state == atEnd {
			return nil, n, true, nil
		}
	}
	return nil, n, false, nil
}

// step takes one byte of framing.
func (c *ChunkedReader) step(b byte) *Error {
	switch c.state {
	case atSizeFirst, atSize:
		d := wsgi.HexDigit[b]
		switch {
		case d < 16:
			if c.digits++; c.digits > maxChunkDigits {
				return errChunkSize
			}
			c.size = c.size<<4 | int64(d)
			if c.size > maxChunkSize {
				return errChunkSize
			}
			c.state = atSize
		case c.state == atSizeFirst:
			return errChunkSize
		case b == '\r':
			c.state = atSizeLF
		case b == ';':
			c.state = atExtension
		case b == ' ' || b == '\t':
			c.state = atSizeSpace
			c.ext++
		default:
			return errChunkSize
		}
	case atSizeSpace:
		// White space may stand between a size and the ";" of an extension (BWS; RFC
		// 9112, section 7.1.1). It cannot change the size for any reader: nothing but
		// more of it and the ";" is taken behind it, no digit, and no end of the line,
		// where some would stop and others go on.
		switch b {
		case ' ', '\t':
			if c.ext++; c.ext > maxExtension {
				return errChunkExtLong
			}
		case ';':
			c.state = atExtension
		default:
			return errChunkSize
		}
	case atExtension:
		switch {
		case b == '\r':
			c.state = atSizeLF
		case b < ' ' && b != '\t' || b == 0x7f:
			return errChunkExt
		default:
			if c.ext++; c.ext > maxExtension {
				return errChunkExtLong
			}
		}
	case atSizeLF:
		if b != '\n' {
			return errChunkSize
		}
		return c.begin()
	case atDataCR:
		if b != '\r' {
			return errChunkEnd
		}
		c.state = atDataLF
	case atDataLF:
		if b != '\n' {
			return errChunkEnd
		}
		c.state, c.digits, c.size, c.ext = atSizeFirst, 0, 0, 0
	default:
		return c.trailer(b)
	}
	return nil
}

// begin starts a chunk whose size is known, or the trailers.
func (c *ChunkedReader) begin() *Error {
	if c.size == 0 {
		c.state = atTrailer
		return nil
	}
	c.excess += int64(c.digits+c.ext) - 16 - c.size
	if c.excess < 0 {
		c.excess = 0
	}
	if c.excess > maxExcess {
		return errChunkExtLong
	}
	c.state = atData
	return nil
}

// trailer takes one byte after the last chunk.
func (c *ChunkedReader) trailer(b byte) *Error {
	if c.trailers++; c.trailers > maxTrailers {
		return errTrailerLong
	}
	switch c.state {
	case atTrailer:
		switch {
		case b == '\r':
			c.state = atEndLF
		case tokenChar[b]:
			c.state = atTrailerName
		default:
			return errTrailer
		}
	case atTrailerName:
		switch {
		case b == ':':
			c.state = atTrailerValue
		case !tokenChar[b]:
			return errTrailer
		}
	case atTrailerValue:
		switch {
		case b == '\r':
			c.state = atTrailerLF
		case b < ' ' && b != '\t' || b == 0x7f:
			return errTrailer
		}
	case atTrailerLF:
		if b != '\n' {
			return errTrailer
		}
		c.state = atTrailer
	default: // atEndLF
		if b != '\n' {
			return errTrailer
		}
		c.state = atEnd
	}
	return nil
}
