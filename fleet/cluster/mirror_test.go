package cluster

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// TestTheMirrorKeepsTheLastGeneration over processes, at one path.
func TestTheMirrorKeepsTheLastGeneration(t *testing.T) {
	t.Parallel()
	m := Mirror{Dir: filepath.Join(t.TempDir(), "cluster")}
	if err := m.Open(); err != nil {
		t.Fatal(err)
	}
	read := func() Texts {
		t.Helper()
		got, err := (&Mirror{Dir: m.Dir}).Texts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := read(); len(got.Files) != 0 || got.Generation != 0 {
		t.Fatalf("a new mirror holds %+v", got)
	}
	for i, files := range []map[string][]byte{{"a.hcl": []byte("1"), "b.hcl": []byte("2")}, {"a.hcl": []byte("3")}, {}} {
		want := Texts{Generation: int64(i + 1), Files: files}
		for range 2 {
			if err := m.Update(Update{Generation: want.Generation, Digest: want.Digest(), Files: want.Files}); err != nil {
				t.Fatal(err)
			}
		}
		if got := read(); !reflect.DeepEqual(got, want) {
			t.Fatalf("it holds %+v, not %+v", got, want)
		}
		if g, digest := m.Current(); g != want.Generation || digest != want.Digest() {
			t.Fatalf("current is %d %s", g, digest)
		}
	}
	olds, _ := filepath.Glob(filepath.Join(m.Dir, "generation-*"))
	if len(olds) > 2 {
		t.Errorf("old generations stay: %v", olds)
	}
	one, err := m.Machine()
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := m.Machine(); again != one {
		t.Errorf("the machine is %s, then %s", one, again)
	}
	other := Mirror{Dir: t.TempDir()}
	if b, _ := other.Machine(); b == one {
		t.Errorf("two machines are called %s", b)
	}
}

// TestTheMirrorKeepsFilesThatStay: of a generation in which one file of three is another
// one, the others are not written again.
func TestTheMirrorKeepsFilesThatStay(t *testing.T) {
	t.Parallel()
	m := Mirror{Dir: filepath.Join(t.TempDir(), "cluster")}
	if err := m.Open(); err != nil {
		t.Fatal(err)
	}
	at := func() (files []os.FileInfo) {
		for _, n := range []string{"a.hcl", "b.hcl", "c.hcl"} {
			f, err := os.Stat(filepath.Join(m.Specs(), n))
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
		return files
	}
	texts := Texts{Generation: 1, Files: map[string][]byte{"a.hcl": []byte("1"), "b.hcl": []byte("2"), "c.hcl": []byte("3")}}
	if err := m.Update(Update{Generation: 1, Digest: texts.Digest(), Files: texts.Files}); err != nil {
		t.Fatal(err)
	}
	was := at()
	texts.Generation, texts.Files["b.hcl"] = 2, []byte("other")
	next := Update{Generation: 2, Digest: texts.Digest(), Files: map[string][]byte{"b.hcl": []byte("other")}, Same: []string{"a.hcl", "c.hcl"}}
	if err := m.Update(next); err != nil {
		t.Fatal(err)
	}
	for i, f := range at() {
		if same := os.SameFile(was[i], f); same != (i != 1) {
			t.Errorf("%s: the same file is %v", f.Name(), same)
		}
	}
	if got, err := m.Texts(t.Context()); err != nil || !reflect.DeepEqual(got, texts) {
		t.Errorf("it holds %+v, %v", got, err)
	}
}

// TestAnUpdateIsJustWhatItSays: files come, go, change and come back, in one process and in
// another one, and nobody removes one unseen.
func TestAnUpdateIsJustWhatItSays(t *testing.T) {
	t.Parallel()
	m := Mirror{Dir: filepath.Join(t.TempDir(), "cluster")}
	if err := m.Open(); err != nil {
		t.Fatal(err)
	}
	texts := Texts{}
	for i, row := range []struct {
		files map[string]string
		other bool   // another process makes it
		lost  string // a file of the generation before the present one that somebody removes
		fails bool
	}{
		{files: map[string]string{"a.hcl": "1", "b.hcl": "1", "c.hcl": "1"}},
		{files: map[string]string{"a.hcl": "2", "b.hcl": "1", "c.hcl": "1"}},
		{files: map[string]string{"a.hcl": "2", "c.hcl": "1"}},
		{files: map[string]string{"a.hcl": "2", "c.hcl": "1", "d.hcl": "1"}},
		{files: map[string]string{"a.hcl": "2", "b.hcl": "3", "c.hcl": "1", "d.hcl": "1"}},
		{files: map[string]string{"a.hcl": "2", "b.hcl": "4", "c.hcl": "1", "d.hcl": "1"}, other: true},
		{files: map[string]string{"a.hcl": "2", "b.hcl": "4", "c.hcl": "5"}},
		{files: map[string]string{"a.hcl": "2", "b.hcl": "4", "c.hcl": "6"}},
		{files: map[string]string{"a.hcl": "2", "b.hcl": "7", "c.hcl": "6"}, lost: "a.hcl", fails: true},
		{files: map[string]string{"a.hcl": "2", "b.hcl": "8", "c.hcl": "6"}},
		{files: map[string]string{}},
		{files: map[string]string{"a.hcl": "1"}},
	} {
		next := Texts{Generation: int64(i + 1), Files: map[string][]byte{}}
		u := Update{Generation: next.Generation, Files: map[string][]byte{}}
		for n, text := range row.files {
			next.Files[n] = []byte(text)
			if string(texts.Files[n]) == text {
				u.Same = append(u.Same, n)
			} else {
				u.Files[n] = []byte(text)
			}
		}
		u.Digest = next.Digest()
		if row.other {
			m = Mirror{Dir: m.Dir}
		}
		if row.lost != "" {
			now, err := filepath.EvalSymlinks(m.Specs())
			if err != nil {
				t.Fatal(err)
			}
			all, err := filepath.Glob(filepath.Join(m.Dir, "generation-*", row.lost))
			if err != nil || len(all) != 2 {
				t.Fatal(all, err)
			}
			for _, path := range all {
				if filepath.Dir(path) != now {
					if err := os.Remove(path); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		err := m.Update(u)
		if row.fails {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("update %d: a file was removed, and it says %v", i, err)
			}
			next = texts // it keeps what it has
		} else if err != nil {
			t.Fatal(err)
		}
		if got, err := m.Texts(t.Context()); err != nil || !reflect.DeepEqual(got, next) {
			t.Fatalf("update %d: it holds %+v and not %+v, %v", i, got, next, err)
		}
		texts = next
	}
}
