package shellwords_test

import (
	"encoding/json"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/shellwords"
)

func TestShell(t *testing.T) {
	for line, want := range map[string][]string{
		"":                             nil,
		"  gunicorn\t-w 4 ":            {"gunicorn", "-w", "4"},
		`a "b c" 'd "e' f\ g`:          {"a", "b c", `d "e`, "f g"},
		`x"y z"'' '' ""`:               {"xy z", "", ""},
		`'a\b' "a\"b" \`:               {`a\b`, `a"b`, `\`},
		"env $HOME && b\nc 'not ended": {"env", "$HOME", "&&", "b", "c", "not ended"},
		`"a\b" "\$x"`:                  {`a\b`, "$x"},
		"a\\\nb":                       {"ab"},
	} {
		if got := shellwords.Shell(line); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

// lines are command lines made by chance.
func lines(count int, parts ...string) []string {
	rng := rand.New(rand.NewPCG(20, 9))
	out := make([]string, count)
	for i := range out {
		for range 1 + rng.IntN(6) {
			out[i] += parts[rng.IntN(len(parts))]
		}
	}
	return out
}

var common = []string{"a", "b c", " ", "\t", `\a`, `\"`, `\'`, `\\`, `"a b"`, `'c d'`, `"a\b"`, `"\\"`, `"\""`, `"\n"`, `'a\b'`, `x"y"z`, "é", `""`, `''`, "=", "-x"}

// Shell cuts as the real sh does.
func TestShellIsTheShells(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a shell")
	}
	all := lines(300, append(common, `"\$x"`, "a\\\nb", "\"c\\\nd\"", `"'"`, `'"'`)...)
	script := ""
	for _, line := range all {
		script += `printf '%s\0' x ` + line + "\nprintf '\\1'\n"
	}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", script).Output()
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Split(string(out), "\x01")
	if len(said) != len(all)+1 {
		t.Fatalf("%d answers", len(said))
	}
	for i, line := range all {
		want := strings.Split(strings.TrimSuffix(said[i], "\x00"), "\x00")[1:]
		if got := shellwords.Shell(line); !slices.Equal(got, want) {
			t.Errorf("%q: %q, sh has %q", line, got, want)
		}
	}
}

// Shlex cuts, and refuses, as Python's does.
func TestShlexIsPythons(t *testing.T) {
	if testing.Short() {
		t.Skip("runs Python")
	}
	all := lines(600, append(common, `"`, `'`, `\`, `"\$x"`, "\n", "\r", "#", " # c", "$A", ";")...)
	want := python(t, all, `
def cut(line):
    try:
        return shlex.split(line)
    except ValueError:
        return None`)
	refused := 0
	for i, line := range all {
		got, err := shellwords.Shlex(line)
		if err != nil {
			refused++
		}
		if (err != nil) != (want[i] == nil) || err == nil && !slices.Equal(got, want[i]) {
			t.Errorf("%q: %q (%v), Python has %q", line, got, err, want[i])
		}
	}
	if refused == 0 || refused > 500 {
		t.Errorf("%d of %d are refused", refused, len(all))
	}
}

// Line finds the commands that the real sh runs, with its variables.
func TestLineIsTheShells(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a shell")
	}
	env := map[string]string{"A": "1", "B": "two words", "E": "", "S": " x ", "Q": `a'b"c`}
	parts := slices.DeleteFunc(slices.Clone(common), func(s string) bool { return s == "=" })
	parts = append(parts, " ", " ", "$A", "${A}", "$B", `"$B"`, "'$A'", "$E", `"$E"`, "$S", "x${S}y", "${N:-d}", "${E:-d e}", "${E-d}", "${A:-d}", `"${N:-d e}"`, "$Q", `\$A`, " $ ", "\"$A'$B'\"", "a=$B", "x#y", " # c",
		" ; p ", " && p ", "\np ", "&&p ", ";p ", " >/dev/null ", " 2>/dev/null ", "7>/dev/null", " 2>&1 ", "</dev/null ", "=")
	all := lines(600, parts...)
	script := "p() { printf '%s\\0' p \"$@\"; printf '\\1'; } 3>&1\n"
	for _, line := range all {
		script += "p " + line + "\nprintf '\\2'\n"
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script)
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Split(string(out), "\x02")
	if len(said) != len(all)+1 {
		t.Fatalf("%d answers", len(said))
	}
	several := 0
	for i, line := range all {
		var want []string
		for _, one := range strings.SplitAfter(said[i], "\x01") {
			if one != "" {
				want = append(want, one)
			}
		}
		read := shellwords.Line("p "+line, env)
		if strings.Contains(line, ">/dev/null") { // where nothing is seen, what was told is
			if !read.More && !strings.Contains(line, "#") {
				t.Errorf("%q: a redirection is not told", line)
			}
			continue
		}
		var got []string
		for _, words := range read.Commands {
			got = append(got, strings.Join(words, "\x00")+"\x00\x01")
		}
		if len(got) > 1 {
			several++
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, sh has %q", line, got, want)
		}
	}
	if several < 50 {
		t.Errorf("%d lines have more than one command", several)
	}
}

// What a shell does besides starting a program is told, and what it would take from
// elsewhere is named.
func TestLineTellsWhatIsAShells(t *testing.T) {
	for line, want := range map[string]string{
		"gunicorn -w 4 'a;b' \"c|d\" e\\;f": "",
		"a=1 gunicorn":                      "",
		"gunicorn $X $(id) `id`":            "more X",
		"gunicorn ${X:?no}":                 "more",
		"gunicorn $$":                       "more",
		"gunicorn *.py":                     "more",
		"gunicorn '*.py' \"~\" a~":          "",
		"gunicorn ~/x":                      "more",
		"gunicorn > log":                    "more",
		"gunicorn | tee log":                "more",
		"gunicorn &":                        "more",
		"(gunicorn)":                        "more",
		"if true; then gunicorn; fi":        "more",
		"gunicorn $HOME/x":                  "X HOME",
	} {
		got := shellwords.Line(line, nil)
		text := ""
		if got.More {
			text = "more"
		}
		for _, name := range got.Unknown {
			text = strings.TrimSpace(text + " " + name)
		}
		if text != strings.TrimPrefix(want, "X ") {
			t.Errorf("%q: %q, want %q", line, text, want)
		}
	}
}

// Tokens are those of Python's.
func TestTokensArePythons(t *testing.T) {
	if testing.Short() {
		t.Skip("runs Python")
	}
	all := lines(600, append(common, "$", "#", " # c", "\n", ",", "A=1", "http://x:80/y", "(", "@", "'", `"`)...)
	want := python(t, all, `
def cut(line):
    lexer = shlex.shlex(line)
    lexer.wordchars += "/.+-():"
    try:
        return list(lexer)
    except ValueError:
        return None`)
	for i, line := range all {
		got, err := shellwords.Tokens(line, "/.+-():")
		if (err != nil) != (want[i] == nil) || err == nil && !slices.Equal(got, want[i]) {
			t.Errorf("%q: %q (%v), Python has %q", line, got, err, want[i])
		}
	}
}

// python is what a function cut of a script makes of lines; nil: it refuses one.
func python(t *testing.T, lines []string, cut string) [][]string {
	t.Helper()
	in, err := json.Marshal(lines)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", "import json, shlex, sys\n"+cut+"\nprint(json.dumps([cut(line) for line in json.load(sys.stdin)]))")
	cmd.Stdin = strings.NewReader(string(in))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var said [][]string
	if err := json.Unmarshal(out, &said); err != nil {
		t.Fatal(err)
	}
	return said
}

// Systemd's words have their peer in cmd/wsgid-fleet, where a real systemd is.
func TestSystemdWord(t *testing.T) {
	for line, want := range map[string][]string{
		`a"b c"'d' \x41\s\101`: {"ab cd", "A A"},
		`\q "\;" é\u00e9`:      {`\q`, `\;`, "éé"},
		`'a\tb' ""`:            {"a\tb", ""},
	} {
		var got []string
		for rest := line; ; {
			word, more, ok, err := shellwords.SystemdWord(rest, false)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			got, rest = append(got, word), more
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	env := map[string]string{"V": "a b", "E": "", "Q": `x "y z" \\`}
	for line, want := range map[string][]string{
		`$V|${V}|$$V`:  {"a", "b", "a b", "$V"},
		"$E|x${E}":     {"x"},
		`$Q|$|$NONE`:   {"x", "y z", `\`},
		"${V|${N}|$V-": {"${V", ""},
		// As systemd 252 has them.
		"${V:-x}|${N:-x}|${V:+x}":  {"${V:-x}", "${N:-x}", "${V:+x}"},
		"a${V}:${N:-1}b${V}":       {"aa b:${N:-1}ba b"},
		"${N:-${V}}|$V:80|a$V|${}": {"${N:-a b}", "a$V", ""},
	} {
		if got := shellwords.SystemdVariables(strings.Split(line, "|"), env); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	for line, strict := range map[string]bool{`"a`: false, `a\q`: true, `'x\`: false} {
		if _, _, _, err := shellwords.SystemdWord(line, strict); err == nil {
			t.Errorf("%q: no error", line)
		}
	}
}
