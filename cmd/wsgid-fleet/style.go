package main

import "strings"

// style is how text may look: on a terminal with colours and a width, else
// plain.
type style struct {
	colour bool
	width  int // columns; 0: no limit
}

type paint string

const (
	bold   paint = "1"
	faint  paint = "2"
	red    paint = "31"
	green  paint = "32"
	yellow paint = "33"
	cyan   paint = "36"
)

// paint wraps s in a colour where colours are wanted.
func (s style) paint(p paint, text string) string {
	if !s.colour || p == "" || text == "" {
		return text
	}
	return "\x1b[" + string(p) + "m" + text + "\x1b[0m"
}

// cut shortens one line of text to width columns, with an ellipsis.
func cut(text string, width int) string {
	if width <= 0 || columns(text) <= width {
		return text
	}
	runes := []rune(text)
	return string(runes[:width-1]) + "…"
}

// wrap breaks one line of text at its blanks into lines of width columns; a
// longer word is cut into pieces.
func wrap(text string, width int) []string {
	width = max(width, 8)
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		for columns(word) > width {
			if line != "" {
				lines, line = append(lines, line), ""
			}
			runes := []rune(word)
			lines, word = append(lines, string(runes[:width])), string(runes[width:])
		}
		switch {
		case line == "":
			line = word
		case columns(line)+1+columns(word) <= width:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// columns is the space that a text takes in a terminal, one a rune: names,
// numbers and messages are written in narrow letters.
func columns(text string) int { return len([]rune(text)) }
