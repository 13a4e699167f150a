// Package words writes numbers, times and texts as the commands and the console show
// them to people: few digits, one unit, and nothing that paints a terminal.
package words

import (
	"fmt"
	"strings"
	"time"
)

// Count is "1 app", "2 apps".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Size is a number of bytes in three digits or so: 812B, 45MiB, 1.2GiB.
func Size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	v, u := float64(n), 0
	for v >= 1000 && u < len(units)-1 {
		v /= 1024
		u++
	}
	if u > 0 && v < 10 {
		return fmt.Sprintf("%.1f%s", v, units[u])
	}
	return fmt.Sprintf("%.0f%s", v, units[u])
}

// Age is a time span in one or two units: 12s, 3m, 2h05m, 4d3h.
func Age(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
	}
}

// Latency is a quantile of the recent past, given in milliseconds: 0.4ms, 12ms, 1.5s; 0: no
// request was answered then.
func Latency(ms float64) string {
	switch {
	case ms == 0:
		return None
	case ms < 10:
		return fmt.Sprintf("%.1fms", ms)
	case ms < 1000:
		return fmt.Sprintf("%.0fms", ms)
	default:
		return fmt.Sprintf("%.1fs", ms/1000)
	}
}

// Number is a count or a rate in a few digits: 7, 950, 12.3k, 4.1M.
func Number(v float64) string {
	switch {
	case v < 10 && v != float64(int(v)):
		return fmt.Sprintf("%.1f", v)
	case v < 10_000:
		return fmt.Sprintf("%.0f", v)
	case v < 1_000_000:
		return fmt.Sprintf("%.1fk", v/1_000)
	default:
		return fmt.Sprintf("%.1fM", v/1_000_000)
	}
}

// None stands where there is nothing to tell.
const None = "-"

// Printable makes text safe for a terminal: what an app wrote (a traceback, a
// reason) must not move the cursor, paint
// the screen or turn letters around. Line ends and tabs stay.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r < 0x20 || r == 0x7f || (r >= 0x80 && r < 0xa0),
			r >= 0x200e && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x061c:
			return '\uFFFD'
		}
		return r
	}, text)
}

// OneLine is printable text without line ends.
func OneLine(text string) string {
	return strings.Join(strings.Fields(Printable(text)), " ")
}

// RoundUp makes a wait readable and never zero.
func RoundUp(d time.Duration) time.Duration {
	unit := 100 * time.Millisecond
	if d > 10*time.Second {
		unit = time.Second
	}
	return (d + unit - 1).Truncate(unit)
}

// LastLines cuts a traceback to what people read first.
func LastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}
