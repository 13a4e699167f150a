package hclspec

import (
	"bytes"
	"slices"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// section reads one body, of either syntax, into its attributes and blocks in
// the order of the file. Only JSON needs to be told the names: there nothing
// else tells a block from an attribute. Names it does not know come out as
// attributes.
func (f *file) section(body hcl.Body, blockNames []string) ([]*hcl.Attribute, []*hcl.Block, hcl.Diagnostics) {
	var attrs []*hcl.Attribute
	var found []*hcl.Block
	if b, ok := body.(*hclsyntax.Body); ok {
		for _, a := range b.Attributes {
			attrs = append(attrs, a.AsHCLAttribute())
		}
		for _, inner := range b.Blocks {
			found = append(found, inner.AsHCLBlock())
		}
		sortAttributes(attrs)
		return attrs, found, nil
	}

	schema := &hcl.BodySchema{}
	for _, name := range blockNames {
		var labels []string
		if name == "app" || explain.IsNamed(name) {
			labels = []string{"name"}
		}
		schema.Blocks = append(schema.Blocks, hcl.BlockHeaderSchema{Type: name, LabelNames: labels})
	}
	all, diags := body.JustAttributes()
	if diags.HasErrors() {
		return nil, nil, f.explainMembers(diags)
	}
	for name, a := range all {
		if !slices.Contains(blockNames, name) {
			attrs = append(attrs, a)
			continue
		}
		// A block given as a number or a string is left for the caller, who knows
		// what to write instead.
		if v, _ := a.Expr.Value(nil); !v.IsNull() && (v.Type().IsPrimitiveType() ||
			name == explain.EnvironmentBlock && holdsTexts(v) || name != explain.EnvironmentBlock && explain.IsNamed(name) && holdsCommands(v)) {
			attrs = append(attrs, a)
			schema.Blocks = slices.DeleteFunc(schema.Blocks, func(b hcl.BlockHeaderSchema) bool { return b.Type == name })
		}
	}
	content, _, diags := body.PartialContent(schema)
	sortAttributes(attrs)
	return attrs, content.Blocks, append(f.explainMembers(diags), emptyApps(all["app"])...)
}

// emptyApps are faults: HCL takes null and [] in the place of a block for none, so that an app
// of which a program wrote its name alone would be gone from the directory, and be stopped.
func emptyApps(apps *hcl.Attribute) (faults hcl.Diagnostics) {
	if apps == nil {
		return nil
	}
	parts, diags := hcl.ExprList(apps.Expr)
	if diags.HasErrors() {
		parts = []hcl.Expression{apps.Expr}
	}
	for _, part := range parts {
		pairs, _ := hcl.ExprMap(part) // what is none is told of elsewhere
		for _, pair := range pairs {
			v, _ := pair.Value.Value(nil)
			items, diags := hcl.ExprList(pair.Value)
			if name, _ := pair.Key.Value(nil); name.AsString() != "//" && (v.IsNull() || !diags.HasErrors() && len(items) == 0) {
				faults = append(faults, explain.Problem(pair.Key.Range(), "app "+appspec.Quote(name.AsString())+" is empty", "write its { … }, or remove its name: the app is stopped then"))
			}
		}
	}
	return faults
}

func sortAttributes(attrs []*hcl.Attribute) {
	sort.Slice(attrs, func(i, j int) bool { return attrs[i].NameRange.Start.Byte < attrs[j].NameRange.Start.Byte })
}

// explainMembers says what is wrong with a JSON value that is to be a body: it
// is not an object, or has a name twice.
func (f *file) explainMembers(diags hcl.Diagnostics) hcl.Diagnostics {
	out := explain.Plain(diags)
	for _, d := range out {
		if d.Subject == nil || d.Subject.Start.Byte < 0 || d.Subject.End.Byte > len(f.src) || d.Subject.Start.Byte >= d.Subject.End.Byte {
			continue
		}
		before, text, behind := bytes.TrimSpace(f.src[:d.Subject.Start.Byte]), string(f.src[d.Subject.Start.Byte:d.Subject.End.Byte]), bytes.TrimSpace(f.src[d.Subject.End.Byte:])
		switch {
		case text[0] == '"' && len(text) > 2 && bytes.HasPrefix(behind, []byte(":")): // a name, not a value
			d.Summary, d.Detail = strings.Trim(text, `"`)+" is set twice", "remove one"
		case bytes.HasSuffix(bytes.TrimSpace(bytes.TrimSuffix(before, []byte(":"))), []byte(`"//"`)):
			d.Summary, d.Detail = `"//" is a name here, as those beside it are, and no comment`, labelAdvice
		default:
			d.Summary, d.Detail = "this is not an object", `write an object: { "NAME": VALUE }`
		}
	}
	return out
}

// labelAdvice is for a comment among the names of apps, schedules and the like, where HCL
// (2.25.0) takes "//" for one of them.
const labelAdvice = `move the comment into the { … } of one of them, or before the { of all`
