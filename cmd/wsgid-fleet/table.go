package main

import (
	"io"
	"slices"
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
// left. Where it does not fit there it stands on lines of its own below each
// row, for what it says matters most; a table that is still too wide loses
// columns, and at last the ends of what is in the first one.
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
			c.text = cut(c.text, widths[i])
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
			for _, part := range wrap(tail.text, s.width-2) {
				b.WriteString("  " + s.paint(tail.paint, part) + "\n")
			}
			return
		default:
			row.WriteString(s.paint(tail.paint, tail.text))
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
	_, _ = io.WriteString(w, b.String())
}

// fit decides which columns are shown, how wide they are, and whether the last
// one stands on lines of its own.
func (t *table) fit(width int) (shown []int, widths []int, ownLine bool) {
	last := len(t.columns) - 1
	widths = make([]int, len(t.columns))
	need := 0
	for i, c := range t.columns {
		widths[i] = columns(c.title)
		for _, r := range t.rows {
			widths[i] = max(widths[i], columns(r[i].text))
		}
		shown = append(shown, i)
		if i != last {
			need += widths[i] + 2
		}
	}
	if width <= 0 || need+widths[last] <= width {
		return shown, widths, false
	}
	for need-2 > width {
		drop := -1
		for at, i := range shown {
			if t.columns[i].drop > 0 && (drop < 0 || t.columns[i].drop > t.columns[shown[drop]].drop) {
				drop = at
			}
		}
		if drop < 0 {
			break
		}
		need -= widths[shown[drop]] + 2
		shown = slices.Delete(shown, drop, drop+1)
	}
	if over := need - 2 - width; over > 0 {
		widths[0] = max(widths[0]-over, 8)
	}
	return shown, widths, true
}
