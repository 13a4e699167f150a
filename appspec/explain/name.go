package explain

import (
	"slices"
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// Elsewhere says where a name belongs that is unknown in block.
func Elsewhere(name, value, block string) string {
	if block == GateBlock || strings.HasPrefix(block, GateBlock+".") {
		for _, a := range appspec.GateAttributes() {
			if a.Name() == name {
				return belongs(name, a.Block(), block, a.WrittenAs(value))
			}
		}
		for _, b := range appspec.GateBlocks() {
			if b.Name() == name && strings.HasPrefix(b.Path, GateBlock+".") {
				return belongs(name, appspec.ParentPath(b.Path), block, name+" { … }")
			}
		}
	}
	for i := range appspec.Attributes() { // deeper in this very block, before others of that name
		if a := &appspec.Attributes()[i]; a.Name() == name && block != "" && strings.HasPrefix(a.Path, block+".") {
			return belongs(name, a.Block(), block, a.WrittenAs(value))
		}
	}
	for i := range appspec.Attributes() {
		if a := &appspec.Attributes()[i]; a.Name() == name && !a.RootOnly {
			return belongs(name, a.Block(), block, a.WrittenAs(value))
		}
	}
	for i := range appspec.Blocks() {
		if b := &appspec.Blocks()[i]; b.Name() == name {
			if _, err := strconv.Atoi(value); err == nil && b.Path == "workers" {
				return belongs(name, appspec.ParentPath(b.Path), block, "workers { count = "+value+" }")
			}
			return belongs(name, appspec.ParentPath(b.Path), block, Example(b.Path))
		}
	}
	return ""
}

// belongs says that a name stands in another block than where it was found.
func belongs(name, home, found, text string) string {
	if inner, ok := strings.CutPrefix(home, GateBlock+"."); ok && found == GateBlock {
		return name + " is of " + inner + ": write: " + Nest(inner, text)
	}
	if home == "" {
		if found == TopOfFile {
			return name + " is of an app:\n" + Nest("app \"NAME\"", text)
		}
		return name + " is of the app itself: write it outside of " + found[strings.LastIndexByte(found, '.')+1:]
	}
	if inner, ok := strings.CutPrefix(home, found+"."); ok && found != TopOfFile {
		home = inner
	}
	if found == TopOfFile {
		home = "app \"NAME\"." + home
	}
	path := strings.Split(home, ".")
	return name + " is of " + strings.TrimPrefix(path[len(path)-1], "app ") + ":\n" + Nest(home, text)
}

// TopOfFile stands for the body of the file itself.
const TopOfFile = "file"

// Nest writes text as the content of a block: on one line where it is an
// attribute in one block, the form that HCL takes.
func Nest(block, text string) string {
	path := strings.Split(block, ".")
	if len(path) == 1 && !strings.Contains(text, "{") {
		return path[0] + " { " + text + " }"
	}
	for _, name := range slices.Backward(path) {
		if name != EnvironmentBlock && IsNamed(name) {
			name += ` "NAME"`
		}
		text = name + " {\n  " + strings.ReplaceAll(text, "\n", "\n  ") + "\n}"
	}
	return text
}

// Example is how an attribute or a block is written.
func Example(path string) string {
	t := appspec.Table()
	if a := t.Attribute[path]; a != nil {
		return a.Written()
	}
	b := t.Block[path]
	if name := NamedBlocks[path]; name != "" {
		return NamedAdvice(path, name)
	}
	if b.Named {
		return b.Name() + " \"NAME\" { … }"
	}
	for i := range appspec.Attributes() {
		if a := &appspec.Attributes()[i]; a.Block() == path {
			return b.Name() + " { " + a.Written() + " }"
		}
	}
	if path == "sockets" {
		return Nest("sockets.http", `listen = "127.0.0.1:8000"`)
	}
	return b.Name() + " { … }"
}

// NamedBlocks are the blocks with names of an app, but for its environments, with
// the name that an example has.
var NamedBlocks = map[string]string{StageBlock: "migrate", ProcessBlock: "celery", ScheduleBlock: "nightly"}

// NamedAdvice is how such a block is written.
func NamedAdvice(block, name string) string {
	lines := "  " + appspec.Table().Attribute[block+".command"].Written() + "\n"
	if block == ScheduleBlock {
		lines = "  " + appspec.Table().Attribute["schedule.cron"].Written() + "\n" + lines
	}
	return LastName(block) + " " + appspec.Quote(name) + " {\n" + lines + "}"
}

// NamedAdviceJSON is the same in JSON.
func NamedAdviceJSON(block string) string {
	a := appspec.Table().Attribute[block+".command"]
	return appspec.Quote(LastName(block)) + ": { " + appspec.Quote(NamedBlocks[block]) + `: { "command": ` + a.Example + " } }"
}

// LastName is the word of a block of that path.
func LastName(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// IsNamed tells whether a block of that word has a name behind it.
func IsNamed(word string) bool {
	if word == EnvironmentBlock {
		return true
	}
	for path := range NamedBlocks {
		if LastName(path) == word {
			return true
		}
	}
	return false
}
