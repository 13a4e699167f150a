package http1

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"
)

// rawCase is a case of testdata/requests.txt, which tells its own form.
type rawCase struct {
	name string
	raw  []byte
	want string
}

func readCases(t testing.TB) []rawCase {
	t.Helper()
	f, err := os.Open("testdata/requests.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var cases []rawCase
	var c rawCase
	s := bufio.NewScanner(f)
	for n := 1; s.Scan(); n++ {
		line := s.Text()
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '>':
			quoted, times := strings.TrimSpace(line[1:]), 1
			if i := strings.LastIndex(quoted, "\" *"); i >= 0 {
				if times, err = strconv.Atoi(quoted[i+3:]); err != nil {
					t.Fatalf("line %d: %v", n, err)
				}
				quoted = quoted[:i+1]
			}
			piece, err := strconv.Unquote(quoted)
			if err != nil {
				t.Fatalf("line %d: %v", n, err)
			}
			c.raw = append(c.raw, strings.Repeat(piece, times)...)
		case line[0] == '=':
			c.want = strings.TrimSpace(line[1:])
			cases = append(cases, c)
			c = rawCase{}
		default:
			c.name = line
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return cases
}

func TestOwnCorpus(t *testing.T) {
	cases := readCases(t)
	if len(cases) < 150 {
		t.Errorf("only %d cases", len(cases))
	}
	for _, c := range cases {
		if got := play(c.raw); got != c.want {
			t.Errorf("%s: %.200q\n got %.200s\nwant %.200s", c.name, c.raw, got, c.want)
		}
	}
}

// However the bytes arrive, the result is the same.
func TestOwnCorpusInPieces(t *testing.T) {
	for _, c := range readCases(t) {
		for _, move := range []bool{false, true} {
			for _, sizes := range [][]int{{1}, {2}, {3, 1, 7}, {16, 1}, {1000, 3}} {
				if len(c.raw) > 4096 && sizes[0] < 16 {
					continue
				}
				if got := playSplit(c.raw, move, sizes...); got != c.want {
					t.Errorf("%s in pieces of %d, moved %t: %.200q\n got %.200s\nwant %.200s", c.name, sizes, move, c.raw, got, c.want)
				}
			}
		}
		if len(c.raw) > 600 {
			continue
		}
		for at := 1; at < len(c.raw); at++ {
			if got := playSplit(c.raw, true, at, len(c.raw)); got != c.want {
				t.Errorf("%s split at %d: got %.200s\nwant %.200s", c.name, at, got, c.want)
			}
		}
	}
}
