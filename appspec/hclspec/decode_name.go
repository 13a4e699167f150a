package hclspec

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// unknown says that a name may not stand where it stands, and guesses what was
// meant: a near name of the same block, the same name of another block. value
// is what was written behind it, empty where that cannot be shown.
func (d *decoder) unknown(kind, name, block, value string, rng hcl.Range) {
	what := "unknown " + kind + " " + appspec.Quote(name) + " in " + d.place(block)
	names := d.names(block)
	if hint := explain.PeerHint(name, value, block); hint != "" {
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
	if hint := explain.Elsewhere(name, value, block); hint != "" {
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
		if b := t.Block[appspec.JoinPath(block, name)]; b != nil && (b.NoDefaults && d.defaults || b.Path == explain.EnvironmentBlock && d.inner) {
			continue
		}
		names = append(names, name)
	}
	return names
}

// blockAsAttribute says how to write a block that was written with =.
func (d *decoder) blockAsAttribute(b *appspec.Block, a *hcl.Attribute) {
	v, _ := a.Expr.Value(d.f.ctx)
	v, _ = v.Unmark()
	if b.Path == explain.EnvironmentBlock {
		d.environmentAsAttribute(a, v)
		return
	}
	instead := "write: " + explain.Example(b.Path)
	switch {
	case d.f.isJSON() && explain.NamedBlocks[b.Path] != "":
		instead = "write an object: " + explain.NamedAdviceJSON(b.Path)
	case d.f.isJSON():
		instead = "write an object: " + appspec.Quote(b.Name()) + ": { … }"
	case explain.NamedBlocks[b.Path] != "":
		instead = "leave out the =: " + explain.NamedAdvice(b.Path, explain.NamedBlocks[b.Path])
	case isObject(v):
		instead = "leave out the =: " + b.Name() + " { … }"
	case b.Path == "restart" && !isObject(v):
		instead = "leave it out: workers that end are always replaced; the delays are: restart { min_delay = \"1s\" }"
	case b.Path == "health" && v.Type() == cty.String && !d.f.secret(a.Expr.Range()):
		instead = "write: health { path = " + d.f.text(a.Expr.Range()) + " }"
	case b.Path == "workers" && hclNumber(v) != "":
		instead = "write: workers { count = " + hclNumber(v) + " }"
	case b.Path == explain.StaticBlock:
		instead = explain.StaticAdvice
	case b.Path == "sockets":
		instead = "write:\n" + explain.Nest("sockets.http", appspec.Table().Attribute["sockets.http.listen"].WrittenAs(d.f.text(a.Expr.Range())))
	case b.Path == "sockets.http":
		instead = "write: " + explain.Nest("http", appspec.Table().Attribute["sockets.http.listen"].WrittenAs(d.f.text(a.Expr.Range())))
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
