package appdir

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pathOpeners are the functions that take hold of a file by its path, or change one,
// by the package that they are in.
var pathOpeners = map[string][]string{
	"os": {
		"Chdir", "Chmod", "Chown", "Chtimes", "CopyFS", "Create", "CreateTemp", "DirFS", "Lchown", "Link", "Lstat",
		"Mkdir", "MkdirAll", "MkdirTemp", "Open", "OpenFile", "OpenInRoot", "OpenRoot", "ReadDir", "ReadFile",
		"Readlink", "Remove", "RemoveAll", "Rename", "Stat", "Symlink", "Truncate", "WriteFile",
	},
	"syscall": pathCalls, "golang.org/x/sys/unix": pathCalls,
	"path/filepath":                 {"EvalSymlinks", "Glob", "Walk", "WalkDir"},
	"io/ioutil":                     {"ReadDir", "ReadFile", "TempDir", "TempFile", "WriteFile"},
	"crypto/tls":                    {"LoadX509KeyPair"},
	"github.com/spf13/afero":        {"NewOsFs"},
	"github.com/google/renameio/v2": {"NewPendingFile", "Symlink", "TempDir", "TempFile", "WriteFile"},
}

var pathCalls = []string{
	"Access", "Chdir", "Chmod", "Chown", "Chroot", "Creat", "Faccessat", "Faccessat2", "Fchmodat", "Fchownat", "Fstatat",
	"Futimesat", "Getxattr", "InotifyAddWatch", "Lchown", "Lgetxattr", "Link", "Linkat", "Listxattr", "Lremovexattr",
	"Lsetxattr", "Lstat", "Lutimes", "Mkdir", "Mkdirat", "Mkfifo", "Mkfifoat", "Mknod", "Mknodat", "Mount", "MoveMount",
	"NameToHandleAt", "Open", "OpenByHandleAt", "OpenTree", "Openat", "Openat2", "PivotRoot", "Readlink", "Readlinkat",
	"Removexattr", "Rename", "Renameat", "Renameat2", "Rmdir", "Setxattr", "Stat", "Statfs", "Statx", "Symlink", "Symlinkat",
	"Truncate", "Unlink", "Unlinkat", "Utime", "Utimes", "UtimesNano", "UtimesNanoAt",
}

// opener is a function of ours that uses one of pathOpeners.
type opener struct{ file, fn string }

// openersIn finds the openers of a source file, and what each uses.
func openersIn(t *testing.T, root, name string, found map[opener][]string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string]string{} // as the file calls them
	for _, i := range file.Imports {
		path, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if pathOpeners[path] == nil {
			continue
		}
		local := filepath.Base(strings.TrimSuffix(path, "/v2"))
		if i.Name != nil {
			local = i.Name.Name
		}
		if local == "." {
			t.Errorf("%s imports %s into its own names, where this test cannot see what it opens", name, path)
		}
		packages[local] = path
	}
	for _, d := range file.Decls {
		fn := "var"
		if f, ok := d.(*ast.FuncDecl); ok {
			fn = f.Name.Name
		}
		ast.Inspect(d, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := s.X.(*ast.Ident)
			if ok && slices.Contains(pathOpeners[packages[x.Name]], s.Sel.Name) {
				found[opener{name, fn}] = append(found[opener{name, fn}], x.Name+"."+s.Sel.Name)
			}
			return true
		})
	}
}

// What lies below an app's folder is opened through the one door (door.go): whoever
// opens, looks at or changes a file by its path elsewhere stands in the list below,
// with whose the file is. A new function that does so fails here, until somebody has
// thought about it: if the path may lead into an app's folder, use RootFs, Folder,
// OpenFile or ReadOutside; if not, say here why not.
func TestNobodyElseOpensAFileOfAnApp(t *testing.T) {
	root := filepath.Join("..", "..")
	found := map[opener][]string{}
	for _, top := range []string{"appspec", "cmd", "fleet", "runner"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			name, _ := filepath.Rel(root, path)
			switch {
			case e.IsDir() && (e.Name() == "testdata" || toolFolders[name] != ""):
				return fs.SkipDir
			case !e.IsDir() && strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go"):
				openersIn(t, root, name, found)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(found) < 50 {
		t.Fatalf("only %d functions open a file by its path: the test does not see them", len(found))
	}
	allowed := map[opener]bool{}
	for _, g := range directOpeners {
		for _, l := range g.openers {
			file, fns, _ := strings.Cut(l, " ")
			for fn := range strings.FieldsSeq(fns) {
				o := opener{file, fn}
				if allowed[o] {
					t.Errorf("%s %s stands in the list twice", file, fn)
				}
				if found[o] == nil {
					t.Errorf("%s %s opens no file by its path any more: take it out of the list", file, fn)
				}
				allowed[o] = true
			}
		}
	}
	order := func(a, b opener) int { return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.fn, b.fn)) }
	for _, o := range slices.SortedFunc(maps.Keys(found), order) {
		if !allowed[o] {
			t.Errorf("%s %s uses %s: a file below an app's folder is opened by runner/appdir only (SECURITY.md, The one door)",
				o.file, o.fn, strings.Join(found[o], ", "))
		}
	}
}

// Each way to open a file by its path is seen, under whatever name its package has.
func TestOpenersAreSeen(t *testing.T) {
	dir := t.TempDir()
	src := "package p\n\nimport (\n\t\"os\"\n\tsys \"golang.org/x/sys/unix\"\n)\n\nvar look = os.Stat\n\n" +
		"func a() { defer func() { _, _ = os.Open(\"x\") }() }\n\nfunc (T) b() { _ = sys.Lstat(\"x\", nil) }\n\nfunc c() { os.Exit(0) }\n"
	if err := os.WriteFile(filepath.Join(dir, "p.go"), []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	found := map[opener][]string{}
	openersIn(t, dir, "p.go", found)
	want := map[opener][]string{{"p.go", "var"}: {"os.Stat"}, {"p.go", "a"}: {"os.Open"}, {"p.go", "b"}: {"sys.Lstat"}}
	if !maps.EqualFunc(found, want, slices.Equal[[]string]) {
		t.Errorf("found %v, want %v", found, want)
	}
}
