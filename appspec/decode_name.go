package appspec

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// unknown says that a name may not stand where it stands, and guesses what was
// meant: a near name of the same block, the same name of another block, a near
// name of another block.
func (d *decoder) unknown(kind, name, block string, rng hcl.Range) {
	what := "unknown " + kind + " " + quote(name) + " in " + d.place(block)
	t := table()
	if near := nearest(name, t.within[block]); near != "" {
		d.fault(rng, what, "did you mean "+quote(near)+"? write: "+example(join(block, near)))
		return
	}
	if hint := elsewhere(name); hint != "" {
		d.fault(rng, what, hint)
		return
	}
	d.fault(rng, what, "here may stand: "+strings.Join(t.within[block], ", "))
}

// elsewhere says where a name belongs that is unknown where it stands.
func elsewhere(name string) string {
	for i := range attributes {
		if a := &attributes[i]; a.Name() == name {
			return name + " belongs to " + nest(a.Block(), a.example())
		}
	}
	for i := range blocks {
		if b := &blocks[i]; b.Name() == name {
			return name + " belongs to " + nest(parent(b.Path), example(b.Path))
		}
	}
	return ""
}

// nest writes text as the content of a block.
func nest(block, text string) string {
	if block == "" {
		return text
	}
	for part := block; part != ""; part = parent(part) {
		text = part[strings.LastIndexByte(part, '.')+1:] + " { " + text + " }"
	}
	return text
}

// example is how an attribute or a block is written.
func example(path string) string {
	t := table()
	if a := t.attribute[path]; a != nil {
		return a.example()
	}
	b := t.block[path]
	for i := range attributes {
		if a := &attributes[i]; a.Block() == path {
			return b.Name() + " { " + a.example() + " }"
		}
	}
	return b.Name() + " { … }"
}

// blockAsAttribute says how to write a block that was written with =.
func (d *decoder) blockAsAttribute(b *Block, a *hcl.Attribute) {
	v, _ := a.Expr.Value(d.f.ctx)
	v, _ = v.Unmark()
	instead := "write: " + example(b.Path)
	switch {
	case d.f.isJSON():
		instead = "write an object: " + quote(b.Name()) + ": { … }"
	case isObject(v):
		instead = "leave out the =: " + b.Name() + " { … }"
	case b.Path == "workers" && hclNumber(v) != "":
		instead = "write: workers { count = " + hclNumber(v) + " }"
	case b.Path == "sockets", b.Path == "sockets.http":
		instead = "write: " + nest(b.Path, `listen = "127.0.0.1:8000"`)
		if b.Path == "sockets" {
			instead = `write: ` + nest("sockets.http", `listen = "127.0.0.1:8000"`)
		}
	}
	d.fault(a.NameRange, b.Name()+" is a block, not an attribute", instead)
}

// attributeAsBlock says how to write an attribute that was written as a block.
func (d *decoder) attributeAsBlock(a *Attribute, b *hcl.Block) {
	instead := "write: " + a.example()
	if a.Type == TypeMap || a.Type == TypeObject {
		instead = "write it with =: " + a.Name() + " = { … }"
	}
	d.fault(b.TypeRange, a.Name()+" is an attribute, not a block", instead)
}
