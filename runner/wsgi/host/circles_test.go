package host_test

import (
	"os/exec"
	"strings"
	"testing"
)

// graph prints what each module of the folder imports of the others, wherever it does: at its
// top, in a function, by name with __import__; and last, behind a space, those that
// are in a circle.
const graph = `
import ast, os, sys
root = sys.argv[1]
trees = {}
for top, folders, files in os.walk(root):
    for name in files:
        if name.endswith(".py"):
            path = os.path.relpath(os.path.join(top, name), root)[:-3].replace("/", ".")
            path = path[:-9] if path.endswith(".__init__") else path
            with open(os.path.join(top, name), encoding="utf-8") as f:
                trees[path] = ast.parse(f.read()), name == "__init__.py"
def imported(module):
    tree, package = trees[module]
    parts = module.split(".") if package else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(parts[:len(parts) - node.level + 1]) if node.level else ""
            base = ".".join(p for p in (base, node.module) if p)
            for a in node.names:  # a module of the package, or a name in it
                full = base + "." + a.name
                yield full if full in trees else base
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value:
            yield node.value
edges = {m: sorted({i for i in imported(m) if i in trees and i != m}) for m in trees}
def reached(m):
    seen, todo = set(), list(edges[m])
    while todo:
        n = todo.pop()
        if n not in seen:
            seen.add(n)
            todo += edges[n]
    return seen
for m in sorted(edges):
    print(m, *edges[m])
for m in sorted(edges):
    if m in reached(m):
        print("", m, "->", *[n for n in edges[m] if m in reached(n)])
`

// TestModulesOfTheHostImportOneWay: imports inside of functions count, as they do when one
// reads, moves or tests a module by itself.
func TestModulesOfTheHostImportOneWay(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Python")
	}
	out, err := exec.Command(python, "-c", graph, "py").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	modules := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		if circle, ok := strings.CutPrefix(line, " "); ok {
			t.Errorf("in a circle: %s", circle)
			continue
		}
		modules[strings.TrimSpace(line)] = true
	}
	// What the graph is read from: at the top, in functions, by name.
	for _, want := range []string{
		"wsgid.arriving wsgid.link wsgid.response",
		"wsgid.script wsgid.link",
		"wsgid_worker wsgid.worker",
		"wsgid.zygote wsgid.hidden wsgid.link wsgid.loading wsgid.response wsgid.serve wsgid.sites",
	} {
		if !modules[want] {
			t.Errorf("no module imports just this: %s\n%s", want, out)
		}
	}
}
