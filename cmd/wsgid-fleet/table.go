package main

import (
	"io"
	"strings"
)

// column is one column of a table.
type column struct {
	title string
	right bool // numbers stand on the right
	// drop tells when the column goes where the terminal is too narrow: the
	// highest first, 0 never.
	drop int
}

// cell is one field of a row.
type cell struct {
	text  string
	paint paint
}

// table is rows of cells under titles. The last column takes what space is
// left; a table that does not fit loses columns, and at last the tail of a row
// stands on a line of its own.
type table struct {
	columns []column
	rows    [][]cell
}

func (t *table) add(cells ...cell) { t.rows = append(t.rows, cells) }

func (t *table) writeTo(w io.Writer, s style) {
	shown, widths, ownLine := t.fit(s.width)
	var b strings.Builder
	last := len(t.columns) - 1
	line := func(texts func(i int) cell) {
		var row strings.Builder
		for _, i := range shown {
			if i == last {
				continue
			}
			c := texts(i)
			pad := strings.Repeat(" ", max(0, widths[i]-columns(c.text)))
			if t.columns[i].right {
				row.WriteString(pad + s.paint(c.paint, c.text) + "  ")
			} else {
				row.WriteString(s.paint(c.paint, c.text) + pad + "  ")
			}
		}
		tail := texts(last)
		switch {
		case tail.text == "":
		case ownLine:
			b.WriteString(strings.TrimRight(row.String(), " ") + "\n")
			row.Reset()
			row.WriteString("  " + s.paint(tail.paint, cut(tail.text, s.width-2)))
		default:
			row.WriteString(s.paint(tail.paint, cut(tail.text, widths[last])))
		}
		b.WriteString(strings.TrimRight(row.String(), " ") + "\n")
	}
	line(func(i int) cell {
		if i == last && ownLine {
			return cell{}
		}
		return cell{text: t.columns[i].title, paint: bold}
	})
	for _, r := range t.rows {
		line(func(i int) cell { return r[i] })
	}
	io.WriteString(w, b.String())
}

// minTail is the least space that makes a last column worth having beside the
// others.
const minTail = 24

// fit decides which columns are shown, how wide they are, and whether the last
// one stands on lines of its own.
func (t *table) fit(width int) (shown []int, widths []int, ownLine bool) {
	last := len(t.columns) - 1
	widths = make([]int, len(t.columns))
	for i, c := range t.columns {
		widths[i] = columns(c.title)
		for _, r := range t.rows {
			widths[i] = max(widths[i], columns(r[i].text))
		}
		shown = append(shown, i)
	}
	if width <= 0 {
		widths[last] = 0 // no limit
		return shown, widths, false
	}
	need := func() int {
		n := 0
		for _, i := range shown {
			if i != last {
				n += widths[i] + 2
			}
		}
		return n
	}
	for {
		left := width - need()
		if left >= min(minTail, widths[last]) {
			widths[last] = left
			return shown, widths, false
		}
		drop := -1
		for at, i := range shown {
			if t.columns[i].drop > 0 && (drop < 0 || t.columns[i].drop > t.columns[shown[drop]].drop) {
				drop = at
			}
		}
		if drop < 0 {
			return shown, widths, true
		}
		shown = append(shown[:drop:drop], shown[drop+1:]...)
	}
}
