package appspec

import "strings"

// Nearest returns the name that was probably meant: the one with the least edits
// (a letter more, less, other, or two swapped), at most one for three letters, and not
// all letters of the name. Empty where none is near.
func Nearest(given string, names []string) string {
	if len(given) > 64 {
		return ""
	}
	best, least := "", 1+(len(given)+2)/3
	if least > 4 {
		least = 4
	}
	for _, name := range names {
		if strings.EqualFold(strings.ReplaceAll(given, "-", "_"), name) {
			return name
		}
		if d := Edits(given, name, least); d < least && d < len(name) {
			best, least = name, d
		}
	}
	return best
}

// Edits counts the edits between two names; at most limit.
func Edits(a, b string, limit int) int {
	if d := len(a) - len(b); d >= limit || -d >= limit {
		return limit
	}
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return min(row[len(b)], limit)
}
