package gate

import (
	"fmt"
	"slices"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
)

// Lines that come at once are all in the log, as many as a second may have; what is left out
// is counted by the next one.
func TestLinesThatComeAtOnce(t *testing.T) {
	loop, err := evloop.New()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	s := &Server{Loop: loop, Say: func(line string) { got = append(got, line) }}
	var want []string
	for i := range linesASecond + 3 {
		s.say(fmt.Sprint(i))
		if i < linesASecond {
			want = append(want, fmt.Sprint(i))
		}
	}
	s.saidSince -= int64(1e9) // a second later
	s.say("on")
	if want = append(want, "on (and 3 lines omitted)"); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
