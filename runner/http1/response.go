package http1

import (
	"strconv"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// Framing is how the end of a response's body is told (RFC 9112, section 6.3).
type Framing uint8

// The kinds of framing.
const (
	FramingNone    Framing = iota // no body follows: HEAD, 204, 304; drop what comes
	FramingLength                 // exactly Content-Length bytes follow
	FramingChunked                // AppendChunk, then LastChunk
	FramingClose                  // the body ends with the connection
)

// HeadOptions is what AppendHead must know beside the head itself.
type HeadOptions struct {
	Proto     string // of the request: "HTTP/1.0" or "HTTP/1.1"
	KeepAlive bool   // the connection is to stay open
	Head      bool   // the request is a HEAD
	// BodyLength is the length of the whole body in bytes where it is at hand
	// already, -1 where it is not.
	BodyLength int64
	Date       []byte // a whole line, see DateCache; nil: none
	Server     []byte // a whole line, written where the application names no server; nil: none
	Extra      []byte // whole lines, such as "X-Wsgid: 1.0.0\r\n"
	Reasons    bool   // an error of ours tells its reason: for those who may see the inside
}

// AppendHead appends the head of a response. With FramingLength the number
// promised is h.ContentLength, or o.BodyLength where that is -1. With
// FramingClose the connection cannot stay open, whatever o.KeepAlive says.
func AppendHead(dst []byte, h *wsgi.ResponseHead, o *HeadOptions) ([]byte, Framing) {
	dst = append(dst, "HTTP/1.1 "...)
	dst = append(dst, h.Line...)
	if len(h.Line) == 3 {
		dst = append(dst, ' ')
	}
	dst = append(dst, '\r', '\n')
	dst = append(dst, h.Fields...)
	dst = append(dst, o.Extra...)
	if !h.HasDate {
		dst = append(dst, o.Date...)
	}
	if !h.HasServer {
		dst = append(dst, o.Server...)
	}
	keepAlive := o.KeepAlive
	framing := FramingNone
	length := h.ContentLength
	switch {
	case h.Status < 200 || h.Status == 204:
		length = -1 // RFC 9110, section 8.6
	case h.Status == 304:
	case o.Head:
		if length < 0 && o.BodyLength > 0 {
			length = o.BodyLength
		}
	default:
		if length < 0 {
			length = o.BodyLength
		}
		switch {
		case length >= 0:
			framing = FramingLength
		case o.Proto == "HTTP/1.1":
			framing = FramingChunked
			dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
		default:
			framing = FramingClose
			keepAlive = false
		}
	}
	if length >= 0 {
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, length, 10)
		dst = append(dst, '\r', '\n')
	}
	switch {
	case !keepAlive:
		dst = append(dst, "Connection: close\r\n"...)
	case o.Proto != "HTTP/1.1":
		dst = append(dst, "Connection: keep-alive\r\n"...)
	}
	return append(dst, '\r', '\n'), framing
}

// LastChunk ends a chunked body.
const LastChunk = "0\r\n\r\n"

// Continue is the interim answer to "Expect: 100-continue".
const Continue = "HTTP/1.1 100 Continue\r\n\r\n"

// AppendChunk appends data as one chunk; nothing for no data, as an empty
// chunk would end the body.
func AppendChunk(dst, data []byte) []byte {
	if len(data) == 0 {
		return dst
	}
	dst = AppendChunkHead(dst, int64(len(data)))
	dst = append(dst, data...)
	return append(dst, '\r', '\n')
}

// AppendChunkHead appends the line before n bytes of data that are written
// apart; CR LF must follow them. n is not 0.
func AppendChunkHead(dst []byte, n int64) []byte {
	dst = strconv.AppendInt(dst, n, 16)
	return append(dst, '\r', '\n')
}

// AppendError appends a whole response of ours: a line of plain text, the status
// alone or, with o.Reasons, what is wrong. 503 asks to try again after one second. Of the options,
// BodyLength is not used.
func AppendError(dst []byte, status int, reason string, o *HeadOptions) []byte {
	if !o.Reasons {
		reason = ""
	}
	text := StatusText(status)
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	dst = append(dst, text...)
	dst = append(dst, "\r\nContent-Type: text/plain; charset=utf-8\r\n"...)
	if status == 503 {
		dst = append(dst, "Retry-After: 1\r\n"...)
	}
	dst = append(dst, o.Extra...)
	dst = append(dst, o.Date...)
	dst = append(dst, o.Server...)
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(ErrorText(status, reason))), 10)
	switch {
	case !o.KeepAlive:
		dst = append(dst, "\r\nConnection: close"...)
	case o.Proto == "HTTP/1.0":
		dst = append(dst, "\r\nConnection: keep-alive"...)
	}
	dst = append(dst, "\r\n\r\n"...)
	if o.Head {
		return dst
	}
	return append(dst, ErrorText(status, reason)...)
}

// ErrorText is the body of an answer of ours: "503 Service Unavailable:
// reason".
func ErrorText(status int, reason string) string {
	text := strconv.Itoa(status) + " " + StatusText(status)
	if reason != "" {
		text += ": " + reason
	}
	return text + "\n"
}

// DateCache keeps the Date line of a second.
type DateCache struct {
	second int64
	line   []byte
}

// Line returns "Date: …\r\n" (RFC 9110, section 5.6.7), valid until the next
// call.
func (d *DateCache) Line(now time.Time) []byte {
	if s := now.Unix(); s != d.second || d.line == nil {
		d.second = s
		d.line = append(d.line[:0], "Date: "...)
		d.line = now.UTC().AppendFormat(d.line, "Mon, 02 Jan 2006 15:04:05 GMT")
		d.line = append(d.line, '\r', '\n')
	}
	return d.line
}

// StatusText is the reason phrase of a status (RFC 9110, section 15).
func StatusText(status int) string {
	switch status {
	case 200:
		return "OK"
	case 400:
		return "Bad Request"
	case 403:
		return "Forbidden"
	case 404:
		return "Not Found"
	case 405:
		return "Method Not Allowed"
	case 408:
		return "Request Timeout"
	case 411:
		return "Length Required"
	case 413:
		return "Content Too Large"
	case 414:
		return "URI Too Long"
	case 417:
		return "Expectation Failed"
	case 421:
		return "Misdirected Request"
	case 426:
		return "Upgrade Required"
	case 429:
		return "Too Many Requests"
	case 431:
		return "Request Header Fields Too Large"
	case 500:
		return "Internal Server Error"
	case 501:
		return "Not Implemented"
	case 502:
		return "Bad Gateway"
	case 503:
		return "Service Unavailable"
	case 504:
		return "Gateway Timeout"
	case 505:
		return "HTTP Version Not Supported"
	case 507:
		return "Insufficient Storage"
	}
	return "Status " + strconv.Itoa(status)
}
