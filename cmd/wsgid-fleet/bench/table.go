package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// table is what was measured, row by row.
type table struct{ rows []row }

// row compares ours with one peer.
type row struct {
	what  string
	peer  string // empty: a value of ours alone
	ours  string // with unit
	their string
	ratio float64 // ours by theirs; 0: none
	bar   bar
	value float64 // for a bar without a peer
}

// bar is what must hold of the ratio, or of the value.
type bar struct {
	least, most float64 // 0: no such bound
	unit        string  // of a value; empty: a ratio, printed with ×
}

func (b bar) String() string {
	sign, n := "≥", b.least
	if b.most != 0 {
		sign, n = "≤", b.most
	}
	switch {
	case n == 0:
		return ""
	case b.unit == "":
		return fmt.Sprintf("%s %g ×", sign, n)
	default:
		return fmt.Sprintf("%s %g %s", sign, n, b.unit)
	}
}

func (b bar) holds(n float64) bool {
	return (b.least == 0 || n >= b.least) && (b.most == 0 || n <= b.most)
}

func (r row) verdict() string {
	n := r.value
	if r.bar.unit == "" {
		n = r.ratio
	}
	switch {
	case r.bar.least == 0 && r.bar.most == 0:
		return ""
	case r.bar.holds(n):
		return "yes"
	default:
		return "**no**"
	}
}

func (t *table) add(r row) {
	t.rows = append(t.rows, r)
	fmt.Println(r.line())
}

func (r row) line() string {
	ratio := ""
	if r.ratio != 0 {
		ratio = fmt.Sprintf("%.2f ×", r.ratio)
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s |", r.what, r.ours, r.peer, r.their, ratio, r.bar, r.verdict())
}

// markdown is the whole, with the line about the run above it.
func (t *table) markdown(head string) string {
	var b strings.Builder
	b.WriteString(head + "\n\n")
	b.WriteString("| what | wsgid-fleet | peer | peer's | ratio | bar | holds |\n")
	b.WriteString("|---|---|---|---|---|---|---|\n")
	for _, r := range t.rows {
		b.WriteString(r.line() + "\n")
	}
	return b.String()
}

// values is the table of rows without a peer.
func (t *table) values(head string) string {
	var b strings.Builder
	b.WriteString(head + "\n\n| what | wsgid-fleet | bar | holds |\n|---|---|---|---|\n")
	for _, r := range t.rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.what, r.ours, r.bar, r.verdict())
	}
	return b.String()
}

// putBetweenMarkers replaces what stands between the two markers of that name in a file.
func putBetweenMarkers(path, name, text string) error {
	begin, end := fmt.Sprintf("<!-- %s: written by make bench -->\n", name), fmt.Sprintf("<!-- end of %s -->", name)
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(old), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("cannot write the table into %s: it has no %s … %s", path, strings.TrimSpace(begin), end)
	}
	return os.WriteFile(path, []byte(before+begin+text+end+after), 0o644)
}

// median of an odd or even number of values; 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}
