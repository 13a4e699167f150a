package uwsgi

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// uwsgiProgram is Debian's.
const uwsgiProgram = "/usr/bin/uwsgi-core"

// resolvedByPeer is what uWSGI makes of a configuration: key = value, a line each.
func resolvedByPeer(t *testing.T, dir, file string) string {
	t.Helper()
	kind := strings.TrimPrefix(filepath.Ext(strings.Split(file, ":")[0]), ".")
	out := peertest.RunPeer(t, dir, []string{"IMPORT_SET=from outside"}, uwsgiProgram, "--"+kind, file, "--show-config", "--no-server", "--plugin", "notfound")
	_, out, ok := strings.Cut(out, "\n[uwsgi]\n")
	out, _, end := strings.Cut(out, ";end of configuration")
	if !ok || !end {
		return "it does not start"
	}
	var lines []string
	for line := range strings.SplitSeq(out, "\n") {
		switch line {
		case "", kind + " = " + file, "show-config = true", "no-server = true", "plugin = notfound":
		default:
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// resolvedHere is what the reader makes of it.
func resolvedHere(dir, file string) string {
	o := facts.Options{LookupEnv: func(name string) (string, bool) {
		if name == "IMPORT_SET" {
			return "from outside", true
		}
		return os.LookupEnv(name)
	}}
	c, err := readConfig(o, dir, file, emperor{})
	if err != nil {
		return "it does not start"
	}
	var lines []string
	for _, opt := range c.options[1:] {
		lines = append(lines, opt.key+" = "+opt.value)
	}
	return strings.Join(lines, "\n")
}

// What a configuration means is what the real uWSGI says that it means.
func TestUWSGIMeansWhatUWSGIDoes(t *testing.T) {
	peertest.Need(t, "uwsgi")
	for name, files := range map[string]map[string]string{
		"the first value is meant by a placeholder, the last one counts": {"t.ini": "[uwsgi]\nbase = /srv\nx = %(base)/one\nbase = /other\nprocesses = 3\nprocesses = 4\n"},
		"names are not completed in files":                               {"t.ini": "[uwsgi]\nprocess = 2\nprocesses = 3\n"},
		"conditions see raw text":                                        {"t.ini": "[uwsgi]\nbase = /srv\nx = %(base)/one\nif-opt = x=/srv/one\na = 1\nendif =\nif-opt = x=%(base)/one\nb = 1\nendif =\n"},
		"env is not seen by if-env":                                      {"t.ini": "[uwsgi]\nenv = MINE=1\nif-env = MINE\na = 1\nendif =\nif-env = IMPORT_SET\nb = %(_)\nendif =\nif-env = IMPORT_SET=other\nc = 1\nendif =\nif-not-env = MINE\nd = 1\nendif =\n"},
		"there is no else":                                               {"t.ini": "[uwsgi]\nif-env = NOT_THERE\na = 1\nelse =\nb = 1\nendif =\nc = 1\n"},
		"a line without a sign":                                          {"t.ini": "[uwsgi]\nvacuum\nmaster\n"},
		"values keep quotes and signs of comments":                       {"t.ini": "[uwsgi]\na = \"quoted\" # no comment\n; one\n# two\n  b   =   x = y  \n[other]\nc = 1\n[uwsgi]\nd = 1\n"},
		"sections": {"t.ini": "[uwsgi]\nini = :more\na = 1\n[more]\nb = 2\nini = :uwsgi2\n[uwsgi2]\nc = %x %(a)\n"},
		"includes": {"t.ini": "[uwsgi]\na = 1\ninclude = sub/more.ini\nini = t2.ini:other\nc = %n %s\n", "sub/more.ini": "[uwsgi]\nb = %d %n %N %(a)\n", "t2.ini": "[other]\nx = %x %n\n"},
		"an included file's placeholder is not a file name": {"t.ini": "[uwsgi]\nname = more\ninclude = %(name).ini\n", "more.ini": "[uwsgi]\nb = 1\n"},
		"inherit comes last, and its placeholders stay":     {"t.ini": "[uwsgi]\ninherit = base.ini\nprocesses = 5\nname = x\n", "base.ini": "[uwsgi]\nprocesses = 2\na = %(name) %n\n"},
		"variables":                 {"t.v1.ini": "[uwsgi]\na = %n %e %s %d %p %c %o %x|%z|%k %% %(b) %%(b) %0 %1\nb = 100%\n"},
		"loops":                     {"t.ini": "[uwsgi]\nfor = a b  c\nx = v%(_) %(_)\ny = %(_)\nendfor =\nfor-times = 3\nw = n%(_)\nend-for =\nfor-glob = *.txt\nf = %(_)\nendfor =\nfor-readline = lines.txt\nr = %(_)\nendfor =\n", "lines.txt": "one\ntwo\n", "z.txt": ""},
		"files and folders":         {"t.ini": "[uwsgi]\nif-exists = z.txt\na = %(_)\nendif =\nif-file = sub\nb = 1\nendif =\nif-dir = sub\nc = 1\nendif =\nif-not-exists = none\nd = 1\nendif =\nif-not-reload =\ne = 1\nendif =\n", "z.txt": "", "sub/x": ""},
		"sums":                      {"t.ini": "[uwsgi]\nn = 4\na = %(n + 2)\nb = %(n * n)\nc = %(n ++)\nd = %(n / 0)\ne = %(n - 6)\nf = %(n n)\ng = %(none)x%(n)\n"},
		"the environment and files": {"t.ini": "[uwsgi]\na = $(IMPORT_SET)!\nb = $(NOT_THERE)\nc = @(s.txt)|\n", "s.txt": "in a file\n"},
		"an include with a section does not start": {"t.ini": "[uwsgi]\ninclude = t2.ini:other\n", "t2.ini": "[other]\nx = 1\n"},
		"a missing file does not start":            {"t.ini": "[uwsgi]\nd = @(none.txt)\n"},
		"set":                                      {"t.ini": "[uwsgi]\nset = a=1\nset-ph = b=%(a)\nset-placeholder = c=3\nd = %(b)%(c)\n"},
		"placeholders in placeholders":             {"t.ini": "[uwsgi]\na = x%(b)\nb = y%(c)\nc = z\nd = %(a)%(a) ()%() %(b\n"},
		"a placeholder of itself":                  {"t.ini": "[uwsgi]\na = one\nb = %(nobody)%(a)\n"},
		"carriage returns":                         {"t.ini": "[uwsgi]\r\na = 1\r\nb\r\n"},
		"a block inside a block":                   {"t.ini": "[uwsgi]\nif-env = IMPORT_SET\nif-env = HOME\na = 1\nendif =\nb = 1\nendif =\n"},
		"json":                                     {"t.json": `{"x": 1, "uwsgi": {"processes": 3, "master": true, "vacuum": null, "off": false, "env": ["A=1", "B=2", 3, true], "n": 1.5, "e": "", "o": {"p": 1}}}`},
		"yaml":                                     {"t.yaml": "x: 1\nuwsgi:\n  processes: 3\n  master:\n  vacuum: true\n  off: \"\"\n  env:\n    - A=1\n    - B=2\n  t: 'x # y' # comment\n  last: ~\n  a: %n\nother:\n  b: 1\n"},
		"json with comments":                       {"t.json": "/* a */ {\"uwsgi\": { // b\n\"a\": 1, /* c\n */ \"u\": \"http://x/*y*/\\\"//\"}} // d"},
		"json with text behind it":                 {"t.json": `{"uwsgi": {"a": 1}} x`},
		"json with the section twice":              {"t.json": `{"uwsgi": {"a": 1}, "uwsgi": {"b": 2}}`},
		"json with a text that C ends":             {"t.json": `{"uwsgi": {"a": "x\u0000y", "b": 1}}`},
		"json that is not UTF-8":                   {"t.json": "{\"uwsgi\": {\"a\": \"\xe9\"}}"},
		"a file's last line end alone is cut off":  {"t.ini": "[uwsgi]\na = x@(s.txt)y\n", "s.txt": " in \n\n"},
		"yaml with an anchor":                      {"t.yaml": "uwsgi:\n  threads: 2\n  processes: &n 4\n  harakiri: *n\n"},
		"yaml with an anchor before the section":   {"t.yaml": "x: &x 3\nuwsgi:\n  threads: 2\n"},
		"yaml with an alias":                       {"t.yaml": "x: &x\n  a: 3\nuwsgi:\n  threads: 2\n  <<: *x\n  harakiri: *x\n  env:\n    - *x\n    - B=2\n  last: 1\n"},
		"yaml with an alias for the section":       {"t.yaml": "x: &x\n  a: 3\nuwsgi: *x\nlast:\n  b: 1\n"},
		"yaml with anchors of lists and mappings":  {"t.yaml": "uwsgi: &u\n  env: &e\n    - A=1\n    - B=2\n  sub: &s\n    a: 3\n  threads: 2\n"},
		"yaml with an anchor in a list":            {"t.yaml": "uwsgi:\n  env:\n    - A=1\n    - &b B=2\n  threads: 2\n"},
		"yaml with a key that has an anchor":       {"t.yaml": "uwsgi:\n  a: 1\n  &k threads: 2\n  harakiri: 3\n"},
		"yaml with a tag":                          {"t.yaml": "uwsgi:\n  a: 1\n  threads: !!int 2\n  harakiri: 3\n"},
		"yaml with a tag of a list":                {"t.yaml": "uwsgi:\n  env: !x\n    - A=1\n  threads: 2\n"},
		"yaml in one line":                         {"t.yaml": "uwsgi: {threads: 2, harakiri: 3}\n"},
		"yaml with lists and mappings in one line": {"t.yaml": "uwsgi:\n  env: [A=1, B=2]\n  sub: {a: 1}\n  threads: 2\n"},
		"yaml of two documents":                    {"t.yaml": "---\na: 1\n---\nuwsgi:\n  threads: 2\n---\nuwsgi:\n  harakiri: 3\n"},
		"yaml with folded texts":                   {"t.yaml": "uwsgi:\n  a: >-\n    one\n    two\n  b: \"one\n    two\"\n  threads: 2\n"},
		"xml":                                      {"t.xml": "<uwsgi>\n <master/>\n <processes>3</processes>\n <empty></empty>\n <text>  a &amp; b  </text><!-- no -->\n</uwsgi>\n"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := peertest.WriteFiles(t, files)
			file := ""
			for name := range files {
				if strings.HasPrefix(name, "t.") {
					file = name
				}
			}
			if diff := cmp.Diff(resolvedByPeer(t, dir, file), resolvedHere(dir, file)); diff != "" {
				t.Errorf("(-uWSGI +here):\n%s", diff)
			}
		})
	}
}

// Configurations made by chance mean the same.
func TestUWSGIMeansWhatUWSGIDoesByChance(t *testing.T) {
	peertest.Need(t, "uwsgi")
	rng := rand.New(rand.NewPCG(20, 1))
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	names := []string{"base", "name", "processes", "threads", "k1", "k2", "chdir", "module"}
	value := func(key string) string {
		var b strings.Builder
		for range 1 + rng.IntN(3) {
			part := pick("/srv", "%(base)", "%(name)", "%n", "%d", "4", "x", " ", "$(IMPORT_SET)", "$(NONE)", "%(k1 + 2)", "%(none)", "%%", "a=b", "@(s.txt)", "#", "%(k9")
			if key == "base" && strings.HasPrefix(part, "%(") || key == "name" && part == "%(name)" || strings.HasPrefix(key, "k") && strings.HasPrefix(part, "%(") {
				part = "y" // the real one fills a placeholder of itself without end
			}
			b.WriteString(part)
		}
		return b.String()
	}
	const count = 200
	files := map[string]string{"s.txt": "secret text\n"}
	for i := range count {
		var b strings.Builder
		b.WriteString("[uwsgi]\nk1 = 3\n")
		open := false
		for range 3 + rng.IntN(10) {
			switch rng.IntN(9) {
			case 0:
				if !open {
					b.WriteString(pick("if-env = IMPORT_SET\n", "if-env = NONE\n", "if-opt = k1\n", "if-opt = base=/srv\n", "for = a b\n", "if-not-opt = name\n", "if-exists = s.txt\n", "for-times = 2\n", "if-not-env = IMPORT_SET=x\n"))
					open = true
				}
			case 1:
				if open {
					b.WriteString(pick("endif =\n", "end\n", "endfor =\n"))
					open = false
				}
			case 2:
				b.WriteString(pick("; text\n", "# text\n", "\n", "bare\n", "[other]\nk7 = 1\n[uwsgi]\n", "  k8  =  v  \n", "w = %(_)x\n"))
			default:
				key := pick(names...)
				fmt.Fprintf(&b, "%s = %s\n", key, value(key))
			}
		}
		if open {
			b.WriteString("endif =\n")
		}
		files[fmt.Sprintf("t%d.ini", i)] = b.String()
	}
	dir := peertest.WriteFiles(t, files)
	for i := range count {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			file := fmt.Sprintf("t%d.ini", i)
			if want, got := resolvedByPeer(t, dir, file), resolvedHere(dir, file); want != got {
				t.Errorf("%s (-uWSGI +here):\n%s", files[file], cmp.Diff(want, got))
			}
		})
	}
}
