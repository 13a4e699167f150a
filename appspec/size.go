package appspec

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// units are the suffixes of sizes, the larger first.
var units = []struct {
	name  string
	bytes int64
}{
	{"PiB", 1 << 50}, {"PB", 1e15},
	{"TiB", 1 << 40}, {"TB", 1e12},
	{"GiB", 1 << 30}, {"GB", 1e9},
	{"MiB", 1 << 20}, {"MB", 1e6},
	{"KiB", 1 << 10}, {"kB", 1e3}, {"KB", 1e3},
	{"B", 1},
}

// ParseSize reads a size: a number with one of the units B, kB, KB, MB, GB, TB,
// PB (powers of 1000), KiB, MiB, GiB, TiB, PiB (powers of 1024), or without
// one, in bytes. The number may have a fraction where the result has none.
func ParseSize(text string) (Size, error) {
	number, unit := strings.TrimSpace(text), int64(1)
	for _, u := range units {
		if n, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = strings.TrimRight(n, " "), u.bytes
			break
		}
	}
	if len(number) == 0 || len(number) > 32 || strings.Trim(number, "0123456789.") != "" {
		return 0, fmt.Errorf("cannot read size %q: it is not a number with a unit, such as 512MiB", text)
	}
	r, ok := new(big.Rat).SetString(number)
	if !ok {
		return 0, fmt.Errorf("cannot read size %q: it is not a number with a unit, such as 512MiB", text)
	}
	r.Mul(r, new(big.Rat).SetInt64(unit))
	if !r.IsInt() {
		return 0, fmt.Errorf("cannot read size %q: it is not a whole number of bytes", text)
	}
	if !r.Num().IsInt64() {
		return 0, fmt.Errorf("cannot read size %q: it is too large", text)
	}
	return Size(r.Num().Int64()), nil
}

// String is the shortest way to write the size exactly.
func (s Size) String() string {
	if s == 0 {
		return "0"
	}
	plain, best := strconv.FormatInt(int64(s), 10), ""
	for _, u := range units {
		if u.bytes > 1 && int64(s)%u.bytes == 0 {
			if t := strconv.FormatInt(int64(s)/u.bytes, 10) + u.name; best == "" || len(t) < len(best) {
				best = t
			}
		}
	}
	if best == "" || len(plain) < len(best) {
		return plain
	}
	return best
}

// DurationText writes a duration as an operator would: 60s, 5m, 1h30m.
func DurationText(d time.Duration) string {
	if d > 0 && d < 2*time.Minute && d%time.Second == 0 {
		return strconv.FormatInt(int64(d/time.Second), 10) + "s"
	}
	t := d.String()
	if strings.HasSuffix(t, "m0s") {
		t = strings.TrimSuffix(t, "0s")
	}
	if strings.HasSuffix(t, "h0m") {
		t = strings.TrimSuffix(t, "0m")
	}
	return t
}
