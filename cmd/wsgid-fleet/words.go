package main

import (
	"fmt"
	"strings"
	"time"
)

// count is "1 app", "2 apps".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// size is a number of bytes in three digits or so: 812B, 45MiB, 1.2GiB.
func size(n int64) string {
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

// age is a time span in one or two units: 12s, 3m, 2h05m, 4d3h.
func age(d time.Duration) string {
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

// millis is a duration given in milliseconds: 0.4ms, 12ms, 1.5s.
func millis(ms float64) string {
	switch {
	case ms < 10:
		return fmt.Sprintf("%.1fms", ms)
	case ms < 1000:
		return fmt.Sprintf("%.0fms", ms)
	default:
		return fmt.Sprintf("%.1fs", ms/1000)
	}
}

// latency is a quantile of the recent past, in milliseconds; 0: no request was
// answered then.
func latency(ms float64) string {
	if ms == 0 {
		return none
	}
	return millis(ms)
}

// number is a count or a rate in a few digits: 7, 950, 12.3k, 4.1M.
func number(v float64) string {
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

func trimEnd(text string) string { return strings.TrimRight(text, "\n") }
