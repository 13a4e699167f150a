package hclspec

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/afero"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestMistakes shows what an operator sees for each mistake, word for word. A case
// is a txtar file in testdata/mistakes: the files of a spec directory (a name that
// starts with / is put there), then "want", the text. The comment at the top
// holds options: root, systemd, built, user=NAME.
//
// After a change of words: go test -run TestMistakes -update, and read the diff as
// an operator would.
func TestMistakes(t *testing.T) {
	cases, err := filepath.Glob("testdata/mistakes/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) < 60 {
		t.Errorf("only %d mistakes are shown, of 60", len(cases))
	}
	for _, name := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			ar := txtar.Parse(src)
			got := slipText(t, ar)
			want := -1
			for i := range ar.Files {
				if ar.Files[i].Name == "want" {
					want = i
				}
			}
			if *update {
				if want < 0 {
					ar.Files = append(ar.Files, txtar.File{Name: "want"})
					want = len(ar.Files) - 1
				}
				ar.Files[want].Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want < 0 {
				t.Fatal("the case has no text: run with -update and read it")
			}
			if w := string(ar.Files[want].Data); got != w {
				t.Errorf("the operator sees:\n%s\nwant:\n%s", got, w)
			}
		})
	}
}

// slipText loads the files of a case and returns what validate prints.
func slipText(t *testing.T, ar *txtar.Archive) string {
	t.Helper()
	o := Options{
		User:      "deploy",
		LookupEnv: func(string) (string, bool) { return "", false },
		CPUs:      4,
	}
	for word := range strings.FieldsSeq(string(ar.Comment)) {
		switch name, ok := strings.CutPrefix(word, "user="); {
		case ok:
			o.User = name
		case word == "root":
			o.Root = true
			known := func(name string) bool { return name == "root" || name == "www-data" }
			o.UserExists, o.GroupExists = known, known
		case word == "systemd":
			o.Systemd = true
		}
	}
	fsys := afero.NewMemMapFs()
	if err := fsys.MkdirAll("/etc/wsgid.d", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, f := range ar.Files {
		if f.Name == "want" {
			continue
		}
		name := f.Name
		if !filepath.IsAbs(name) {
			name = filepath.Join("/etc/wsgid.d", name)
		}
		data := strings.TrimSuffix(string(f.Data), "(no newline)\n")
		data = strings.ReplaceAll(data, "(NUL)", "\x00")
		data = strings.ReplaceAll(data, "(0xe9)", "\xe9")
		if err := afero.WriteFile(fsys, name, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	set, err := o.Load(fsys, "/etc/wsgid.d")
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	if err := set.WriteDiagnostics(&b, false); err != nil {
		t.Fatal(err)
	}
	var joined []string
	for _, f := range set.Faults {
		joined = append(joined, f.Text)
	}
	if len(set.Warnings) == 0 && b.String() != strings.Join(joined, "\n") {
		t.Errorf("the faults say:\n%s\nWriteDiagnostics says:\n%s", strings.Join(joined, "\n"), b.String())
	}
	return b.String()
}
