package console

import (
	"regexp"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
)

// escapes are the control sequences of terminals: CSI, strings as titles and links
// are, and the short ones.
var escapes = regexp.MustCompile("\x1b(?:\\[[0-?]*[ -/]*[@-~]|[\\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\\\)?|[ -/]*[0-~])|\u009b[0-?]*[ -/]*[@-~]")

// lines makes text of an app harmless: no escape sequences, no control characters.
// Line ends and tabs stay.
func lines(text string) string {
	if strings.ContainsAny(text, "\x1b\u009b") {
		text = escapes.ReplaceAllString(text, "")
	}
	return words.Printable(strings.ToValidUTF8(strings.ReplaceAll(text, "\r", ""), "\uFFFD"))
}

// clean is lines in one line.
func clean(text string) string {
	if text == "" {
		return ""
	}
	return strings.Join(strings.Fields(lines(text)), " ")
}

// head is at most n bytes of a text, whole letters, with a mark where some are left out.
func head(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + "…"
}
