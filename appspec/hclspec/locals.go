package hclspec

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// locals evaluates the locals of the file, each after those it speaks of.
func (f *file) locals(found []*hcl.Block) {
	attrs := make(map[string]*hcl.Attribute)
	var order []*hcl.Attribute
	for _, b := range found {
		list, inner, diags := f.section(b.Body, nil)
		f.diags = append(f.diags, diags...)
		for _, in := range inner {
			f.fault(in.TypeRange, "locals holds values, not blocks", "write: "+in.Type+" = { … }")
		}
		for _, a := range list {
			if first, ok := attrs[a.Name]; ok {
				f.fault(a.NameRange, "local "+appspec.Quote(a.Name)+" is set twice", "the first is on line "+itoa(first.NameRange.Start.Line)+": remove one")
				continue
			}
			attrs[a.Name] = a
			order = append(order, a)
		}
	}
	f.localDefs = attrs
	if len(attrs) == 0 || f.diags.HasErrors() {
		return
	}
	e := &localsEval{f: f, values: make(map[string]cty.Value, len(attrs)), state: make(map[string]int, len(attrs))}
	for _, a := range order {
		e.eval(a)
	}
	f.ctx.Variables = map[string]cty.Value{"local": cty.ObjectVal(e.values)}
}

// localsEval is the evaluation of the locals at work.
type localsEval struct {
	f      *file
	values map[string]cty.Value
	state  map[string]int // 1: at work, 2: done
	chain  []string       // those at work
}

func (e *localsEval) eval(a *hcl.Attribute) {
	switch e.state[a.Name] {
	case 2:
		return
	case 1:
		e.f.fault(a.NameRange, "locals refer to each other in a circle: "+circle(e.chain, a.Name), "give one of them a value of its own")
		return
	}
	e.state[a.Name] = 1
	e.chain = append(e.chain, a.Name)
	// The expression sees the locals it speaks of and no others: to show all of
	// them to each would take the square of their number.
	seen := make(map[string]cty.Value)
	for _, t := range a.Expr.Variables() {
		name, ok := explain.LocalName(t)
		if !ok {
			continue
		}
		if other := e.f.localDefs[name]; other != nil {
			e.eval(other)
			if v, ok := e.values[name]; ok {
				seen[name] = v
			}
		}
	}
	e.chain = e.chain[:len(e.chain)-1]
	e.state[a.Name] = 2
	if e.f.diags.HasErrors() {
		return
	}
	e.f.ctx.Variables = map[string]cty.Value{"local": cty.ObjectVal(seen)}
	v, diags := e.f.evaluate(a.Expr)
	e.f.diags = append(e.f.diags, diags...)
	if !diags.HasErrors() {
		e.values[a.Name] = v
	}
}

// circle is the part of a chain that leads from a name back to it.
func circle(chain []string, name string) string {
	for i, n := range chain {
		if n == name {
			chain = chain[i:]
			break
		}
	}
	if len(chain) > 8 {
		chain = append(append([]string{}, chain[:8]...), "…")
	}
	return strings.Join(append(append([]string{}, chain...), name), " → ")
}
