package await

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Patience is the limit where a test names none.
const Patience = time.Minute

// True looks until ok, or fails the test; what says what is waited for, as in "waited 1m0s for
// the log to be reopened". seen tells what there is instead.
func True(t testing.TB, what string, ok func() bool, seen ...func() any) {
	t.Helper()
	TrueIn(t, Patience, what, ok, seen...)
}

// TrueIn is True with another limit.
func TrueIn(t testing.TB, limit time.Duration, what string, ok func() bool, seen ...func() any) {
	t.Helper()
	if Until(limit, 3*time.Millisecond, ok) {
		return
	}
	var last strings.Builder
	for _, see := range seen {
		fmt.Fprintf(&last, "; seen last: %v", see())
	}
	t.Fatalf("waited %v for %s%s", limit, what, &last)
}

// Nil asks until there is no complaint, or fails the test with the last one.
func Nil(t testing.TB, limit time.Duration, what string, ask func() error) {
	t.Helper()
	if last := Ask(limit, ask); last != nil {
		t.Fatalf("waited %v for %s; seen last: %v", limit, what, last)
	}
}

// Ask asks until there is no complaint, or returns the last one. What is asked are programs
// and servers mostly, which need the processor more than we do: it is not asked as often.
func Ask(limit time.Duration, ask func() error) (last error) {
	Until(limit, 15*time.Millisecond, func() bool { last = ask(); return last == nil })
	return last
}

// Until looks until ok, every so often, and tells whether it was within the limit. It looks
// once more when that is over: on a busy machine the test itself may have had no time.
func Until(limit, every time.Duration, ok func() bool) bool {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for end := time.Now().Add(limit); ; <-tick.C {
		late := time.Now().After(end)
		if ok() {
			return true
		}
		if late {
			return false
		}
	}
}
