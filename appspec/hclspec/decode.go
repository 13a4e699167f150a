package hclspec

import (
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// layer is what one block, defaults or app, says: the steps that write it into
// a spec.
type layer struct {
	root   string // of defaults; empty: not said
	manual bool   // of defaults: apply = "manual"
	under  bool   // it is that of defaults
	steps  []step
}

// step opens a block or sets an attribute.
type step struct {
	block   *appspec.Block // opened, where setting is nil
	setting *setting
	index   int       // of the repeated block
	name    string    // of a named block that is opened
	rng     hcl.Range // where it was written
}

// setting is one attribute with its converted value.
type setting struct {
	attr  *appspec.Attribute
	value any // of the Go type of the spec's field; an int for workers.count
	// nulls are the keys of a map that are taken away.
	nulls []string
	// secrets are paths below the attribute's, "" for the whole value.
	secrets []string
}

// decoder reads the body of one app or defaults block.
type decoder struct {
	o        Options
	f        *file
	owner    string // app "blog", environment "dev" of app "blog", or defaults
	defaults bool
	inner    bool // it is an environment
	layer    layer
	diags    hcl.Diagnostics
	http     int // http blocks so far
	mongrel2 int
	statics  int
	backends int
	named    map[string]map[string]hcl.Range // by the path of their block and their name: where they stand

	environments []*hcl.Block // of the app, see family
}

func (d *decoder) fault(rng hcl.Range, what, instead string) {
	d.diags = append(d.diags, explain.Problem(rng, what, instead))
}

// place names a block in a diagnostic.
func (d *decoder) place(block string) string {
	if block == "" || block == explain.GateBlock {
		return d.owner
	}
	return block[strings.LastIndexByte(block, '.')+1:] + " of " + d.owner
}

// body reads one body; block is its path, index counts repeated blocks.
func (d *decoder) body(body hcl.Body, block string, index int) {
	t := appspec.Table()
	var names []string
	for _, name := range t.Within[block] {
		if t.Block[appspec.JoinPath(block, name)] != nil {
			names = append(names, name)
		}
	}
	attrs, found, diags := d.f.section(body, names)
	d.diags = append(d.diags, diags...)

	for _, a := range attrs {
		path := appspec.JoinPath(block, a.Name)
		switch attr := t.Attribute[path]; {
		case attr != nil:
			d.attribute(attr, a, index)
		case t.Block[path] != nil && path != explain.GateBlock:
			d.blockAsAttribute(t.Block[path], a)
		default:
			d.unknown("attribute", a.Name, block, d.f.text(a.Expr.Range()), a.NameRange)
		}
	}
	first := make(map[string]hcl.Range)
	for _, b := range found {
		path := appspec.JoinPath(block, b.Type)
		known := t.Block[path]
		if path == explain.GateBlock {
			d.fault(b.TypeRange, "gate is not allowed in "+d.place(block), "it is for all apps of the directory: write it beside the app blocks; the names of an app are its hosts")
			continue
		}
		if known == nil {
			if attr := t.Attribute[path]; attr != nil {
				d.attributeAsBlock(attr, b)
			} else if b.Type == explain.EnvironmentBlock && len(b.Labels) > 0 {
				d.fault(b.TypeRange, "environment is not allowed in "+d.place(block), explain.Elsewhere(b.Type, "", block))
			} else {
				d.unknown("block", b.Type, block, "", b.TypeRange)
			}
			continue
		}
		if at, twice := first[b.Type]; twice && !known.Many {
			d.fault(b.TypeRange, "block "+b.Type+" is defined twice in "+d.place(block), "the first is on line "+itoa(at.Start.Line)+": put both into one block")
			continue
		}
		first[b.Type] = b.TypeRange
		d.block(known, b, index)
	}
}

func (d *decoder) block(known *appspec.Block, b *hcl.Block, index int) {
	switch {
	case known.Path == explain.EnvironmentBlock:
		d.environment(b)
		return
	case d.defaults && known.NoDefaults:
		d.fault(b.TypeRange, b.Type+" is not allowed in defaults", "each app has its own: move it into the app blocks")
		return
	case known.Named:
		d.namedBlock(known, b)
		return
	case len(b.Labels) > 0:
		d.fault(b.LabelRanges[0], "block "+b.Type+" has no name", "write: "+b.Type+" { … }")
		return
	}
	switch known.Path {
	case "sockets.http":
		index = d.http
		d.http++
	case "gate.http":
		index = d.http
		d.http++
	case "sockets.mongrel2":
		index = d.mongrel2
		d.mongrel2++
	case backendsBlock:
		index = d.backends
		d.backends++
	case explain.StaticBlock:
		index = d.statics
		d.statics++
	}
	d.layer.steps = append(d.layer.steps, step{block: known, index: index, rng: b.TypeRange})
	d.body(b.Body, known.Path, index)
}

// attribute evaluates, checks and keeps one attribute.
func (d *decoder) attribute(attr *appspec.Attribute, a *hcl.Attribute, index int) {
	switch {
	case attr.RootOnly && !d.defaults:
		d.fault(a.NameRange, a.Name+" is allowed in defaults only", "write path = \"…\" for this app, or "+a.Name+" in "+defaultsFile)
		return
	case attr.NoDefaults && d.defaults:
		d.fault(a.NameRange, a.Name+" is not allowed in defaults", "each app has its own: move it into the app blocks")
		return
	}
	v, diags := d.f.evaluate(a.Expr)
	if diags.HasErrors() {
		d.diags = append(d.diags, diags...)
		return
	}
	if v.IsNull() { // as if it were not written
		return
	}
	c := &converter{attr: attr, expr: a.Expr, setting: &setting{attr: attr}}
	c.convert(v)
	if len(c.diags) > 0 {
		d.diags = append(d.diags, c.diags...)
		return
	}
	switch attr.Path {
	case "root":
		d.layer.root, _ = c.setting.value.(string)
		return
	case "apply":
		d.layer.manual = c.setting.value == "manual"
		return
	}
	d.layer.steps = append(d.layer.steps, step{setting: c.setting, index: index, rng: a.Expr.Range()})
}
