package main

import (
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
)

const none = words.None

func count(n int, noun string) string { return words.Count(n, noun) }
func size(n int64) string             { return words.Size(n) }
func age(d time.Duration) string      { return words.Age(d) }
func latency(ms float64) string       { return words.Latency(ms) }
func number(v float64) string         { return words.Number(v) }
func printable(text string) string    { return words.Printable(text) }
func oneLine(text string) string      { return words.OneLine(text) }

func trimEnd(text string) string { return strings.TrimRight(text, "\n") }
