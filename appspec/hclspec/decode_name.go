package hclspec

import (
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// unknown says that a name may not stand where it stands, and guesses what was
// meant: a near name of the same block, the same name of another block. value
// is what was written behind it, empty where that cannot be shown.
func (d *decoder) unknown(kind, name, block, value string, rng hcl.Range) {
	what := "unknown " + kind + " " + appspec.Quote(name) + " in " + d.place(block)
	names := d.names(block)
	if hint := peerHint(name, value, block); hint != "" {
		d.fault(rng, what, hint)
		return
	}
	if near := appspec.Nearest(name, names); near != "" {
		instead := "did you mean " + appspec.Quote(near) + "?"
		if a := appspec.Table().Attribute[appspec.JoinPath(block, near)]; a != nil {
			instead += " write: " + a.WrittenAs(value)
		}
		d.fault(rng, what, instead)
		return
	}
	if hint := elsewhere(name, value, block); hint != "" {
		d.fault(rng, what, hint)
		return
	}
	d.fault(rng, what, "allowed here: "+strings.Join(names, ", "))
}

// names are the names that may stand in a block.
func (d *decoder) names(block string) []string {
	t := appspec.Table()
	var names []string
	for _, name := range t.Within[block] {
		if a := t.Attribute[appspec.JoinPath(block, name)]; a != nil && (a.RootOnly && !d.defaults || a.NoDefaults && d.defaults) {
			continue
		}
		if b := t.Block[appspec.JoinPath(block, name)]; b != nil && (b.NoDefaults && d.defaults || b.Path == environmentBlock && d.inner) {
			continue
		}
		names = append(names, name)
	}
	return names
}

// elsewhere says where a name belongs that is unknown in block.
func elsewhere(name, value, block string) string {
	if block == gateBlock || strings.HasPrefix(block, gateBlock+".") {
		for _, a := range appspec.GateAttributes() {
			if a.Name() == name {
				return belongs(name, a.Block(), block, a.WrittenAs(value))
			}
		}
		for _, b := range appspec.GateBlocks() {
			if b.Name() == name && strings.HasPrefix(b.Path, gateBlock+".") {
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
			return belongs(name, appspec.ParentPath(b.Path), block, example(b.Path))
		}
	}
	return ""
}

// belongs says that a name stands in another block than where it was found.
func belongs(name, home, found, text string) string {
	if inner, ok := strings.CutPrefix(home, gateBlock+"."); ok && found == gateBlock {
		return name + " is of " + inner + ": write: " + nest(inner, text)
	}
	if home == "" {
		if found == topOfFile {
			return name + " is of an app:\n" + nest("app \"NAME\"", text)
		}
		return name + " is of the app itself: write it outside of " + found[strings.LastIndexByte(found, '.')+1:]
	}
	if inner, ok := strings.CutPrefix(home, found+"."); ok && found != topOfFile {
		home = inner
	}
	if found == topOfFile {
		home = "app \"NAME\"." + home
	}
	path := strings.Split(home, ".")
	return name + " is of " + strings.TrimPrefix(path[len(path)-1], "app ") + ":\n" + nest(home, text)
}

// topOfFile stands for the body of the file itself.
const topOfFile = "file"

// nest writes text as the content of a block: on one line where it is an
// attribute in one block, the form that HCL takes.
func nest(block, text string) string {
	path := strings.Split(block, ".")
	if len(path) == 1 && !strings.Contains(text, "{") {
		return path[0] + " { " + text + " }"
	}
	for _, name := range slices.Backward(path) {
		if name != environmentBlock && isNamed(name) {
			name += ` "NAME"`
		}
		text = name + " {\n  " + strings.ReplaceAll(text, "\n", "\n  ") + "\n}"
	}
	return text
}

// example is how an attribute or a block is written.
func example(path string) string {
	t := appspec.Table()
	if a := t.Attribute[path]; a != nil {
		return a.Written()
	}
	b := t.Block[path]
	if name := namedBlocks[path]; name != "" {
		return namedAdvice(path, name)
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
		return nest("sockets.http", `listen = "127.0.0.1:8000"`)
	}
	return b.Name() + " { … }"
}

// blockAsAttribute says how to write a block that was written with =.
func (d *decoder) blockAsAttribute(b *appspec.Block, a *hcl.Attribute) {
	v, _ := a.Expr.Value(d.f.ctx)
	v, _ = v.Unmark()
	if b.Path == environmentBlock {
		d.environmentAsAttribute(a, v)
		return
	}
	instead := "write: " + example(b.Path)
	switch {
	case d.f.isJSON() && namedBlocks[b.Path] != "":
		instead = "write an object: " + namedAdviceJSON(b.Path)
	case d.f.isJSON():
		instead = "write an object: " + appspec.Quote(b.Name()) + ": { … }"
	case namedBlocks[b.Path] != "":
		instead = "leave out the =: " + namedAdvice(b.Path, namedBlocks[b.Path])
	case isObject(v):
		instead = "leave out the =: " + b.Name() + " { … }"
	case b.Path == "restart" && !isObject(v):
		instead = "leave it out: workers that end are always replaced; the delays are: restart { min_delay = \"1s\" }"
	case b.Path == "health" && v.Type() == cty.String && !d.f.secret(a.Expr.Range()):
		instead = "write: health { path = " + d.f.text(a.Expr.Range()) + " }"
	case b.Path == "workers" && hclNumber(v) != "":
		instead = "write: workers { count = " + hclNumber(v) + " }"
	case b.Path == staticBlock:
		instead = staticAdvice
	case b.Path == "sockets":
		instead = "write:\n" + nest("sockets.http", appspec.Table().Attribute["sockets.http.listen"].WrittenAs(d.f.text(a.Expr.Range())))
	case b.Path == "sockets.http":
		instead = "write: " + nest("http", appspec.Table().Attribute["sockets.http.listen"].WrittenAs(d.f.text(a.Expr.Range())))
	}
	d.fault(a.NameRange, b.Name()+" is a block, not an attribute", instead)
}

// attributeAsBlock says how to write an attribute that was written as a block.
func (d *decoder) attributeAsBlock(a *appspec.Attribute, b *hcl.Block) {
	instead := "write: " + a.Written()
	if a.Type == appspec.TypeMap || a.Type == appspec.TypeObject {
		instead = "write it with =: " + a.Name() + " = { … }"
	}
	d.fault(b.TypeRange, a.Name()+" is an attribute, not a block", instead)
}
