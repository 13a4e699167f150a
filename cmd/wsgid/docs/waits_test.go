package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// A test that waits for what must happen does so by runner/await, which looks once more when
// the time is over, and says what was waited for and what was seen last.
func TestWaitsAreAwaited(t *testing.T) {
	const root = "../../.."
	files, read := token.NewFileSet(), 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (path != root && strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		read++
		for _, loop := range waitingLoops(file) {
			at := files.Position(loop.Pos())
			name, _ := filepath.Rel(root, at.Filename)
			t.Errorf("%s:%d: a loop that sleeps until something is true or the time is over: call runner/await", name, at.Line)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if read < 300 {
		t.Errorf("%d files were read", read)
	}
}

func TestWaitingLoops(t *testing.T) {
	for _, c := range []struct {
		code  string
		waits bool
	}{
		{`for end := time.Now().Add(d); !ok(); time.Sleep(d) { if time.Now().After(end) { t.Fatal() } }`, true},
		{`for time.Now().Before(end) { if ok() { return }; <-time.After(d) }`, true},
		{`for !ok() { time.Sleep(d) }`, true},
		{`for { if ok() { break }; if time.Now().After(end) { return }; time.Sleep(d) }`, true},
		{`for !stop.Load() { ask(); time.Sleep(d) }`, false}, // traffic
		{`for time.Now().Before(end) { ask() }`, false},
		{`for range 3 { go func() { for !stop() { ask(); time.Sleep(d) } }(); if time.Now().After(end) { return } }`, false},
		{`for { select { case <-done: return; case <-time.After(d): } }`, false},
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc f() { "+c.code+" }", parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(waitingLoops(file)) > 0; got != c.waits {
			t.Errorf("%s: waits %v", c.code, got)
		}
	}
}

// waitingLoops are the loops of a file that sleep and compare a time with a limit, and those
// that do nothing but sleep while something is false.
func waitingLoops(file *ast.File) (out []*ast.ForStmt) {
	ast.Inspect(file, func(n ast.Node) bool {
		loop, ok := n.(*ast.ForStmt)
		if !ok {
			return true
		}
		sleeps, limited := false, false
		ast.Inspect(loop, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncLit, *ast.SelectStmt, *ast.RangeStmt:
				return false
			case *ast.ForStmt:
				return n == loop
			case *ast.CallExpr:
				sleeps = sleeps || calls(n, "time", "Sleep")
				if of, ok := n.Fun.(*ast.SelectorExpr); ok && (of.Sel.Name == "After" || of.Sel.Name == "Before") {
					now, ok := of.X.(*ast.CallExpr)
					limited = limited || ok && calls(now, "time", "Now")
				}
			case *ast.UnaryExpr:
				after, ok := n.X.(*ast.CallExpr)
				sleeps = sleeps || ok && n.Op == token.ARROW && calls(after, "time", "After")
			}
			return true
		})
		idle := loop.Cond != nil && loop.Post == nil && len(loop.Body.List) == 1
		if idle {
			_, idle = loop.Body.List[0].(*ast.ExprStmt)
		}
		if sleeps && (limited || idle) {
			out = append(out, loop)
		}
		return true
	})
	return out
}

// calls tells whether a call is of that function of a package.
func calls(call *ast.CallExpr, pkg, name string) bool {
	of, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || of.Sel.Name != name {
		return false
	}
	id, ok := of.X.(*ast.Ident)
	return ok && id.Name == pkg
}
