package explain

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// JSON says where a file is not JSON. The place is the standard
// library's, which is nearer to the mistake than the one of HCL's parser.
func JSON(path string, src []byte, diags hcl.Diagnostics) hcl.Diagnostics {
	diags = Plain(diags)
	Sort(diags)
	one := func(at int, what, instead string) hcl.Diagnostics {
		return hcl.Diagnostics{Problem(RangeAt(path, src, min(at, len(src))), what, instead)}
	}
	start := len(src) - len(bytes.TrimLeft(src, " \t\r\n"))
	if start == len(src) {
		return one(0, "the file is empty", `a file named *.hcl.json holds one JSON object: { "app": { "NAME": { … } } }`)
	}
	if c := src[start]; c != '{' && c != '[' {
		return one(start, "this is not JSON", "a file named *.hcl.json holds one JSON object; HCL's own syntax is for files named *.hcl")
	}
	dec := json.NewDecoder(bytes.NewReader(src))
	var raw json.RawMessage
	err := dec.Decode(&raw)
	var bad *json.SyntaxError
	switch {
	case err == nil:
		if rest := bytes.TrimLeft(src[dec.InputOffset():], " \t\r\n"); len(rest) > 0 {
			return one(len(src)-len(rest), "the file goes on after its JSON object", "a file holds one object: remove the rest")
		}
		return diags[:min(len(diags), 1)]
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return one(max(len(bytes.TrimRight(src, " \t\r\n"))-1, 0), "the file ends too early", `a ", } or ] is missing before its end`)
	case !errors.As(err, &bad):
		return diags[:min(len(diags), 1)]
	}
	at := int(bad.Offset) - 1
	if at < 0 || at >= len(src) {
		return diags[:min(len(diags), 1)]
	}
	before := bytes.TrimRight(src[:at], " \t\r\n")
	last := byte(0)
	if len(before) > 0 {
		last = before[len(before)-1]
	}
	switch c := src[at]; {
	case c == '#' || c == '/':
		return one(at, "JSON has no comments", `a member named "//" takes one: "//": "…"`)
	case c == '\'':
		return one(at, "text must be in double quotes", `write " for '`)
	case (c == '}' || c == ']') && last == ',':
		return one(len(before)-1, "there is no comma after the last item", "remove it")
	case c == '=':
		return one(at, "between name and value there must be :, not =", "write :")
	case strings.ContainsRune("\"{[tfn-0123456789", rune(c)) && strings.ContainsRune("\"}]elsE0123456789", rune(last)):
		return one(at, "a comma is missing before this", "write a comma between two items")
	case c == '\n' || c == '\r' || c == '\t':
		return one(at, "a string holds a line's end or a tab", `close it with ", and write \n or \t`)
	default:
		return one(at, "this is not JSON: "+bad.Error(), "see json.org")
	}
}
