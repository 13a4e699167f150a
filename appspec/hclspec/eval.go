package hclspec

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// evaluate gives an expression of the file its value. Its diagnostics speak our
// language and hold no values.
func (f *file) evaluate(expr hcl.Expression) (v cty.Value, diags hcl.Diagnostics) {
	defer func() {
		// The library is known to panic on some marked values, such as a sensitive
		// key in JSON: one file must not take the daemon down.
		if recover() != nil {
			v, diags = cty.DynamicVal, hcl.Diagnostics{explain.Problem(expr.Range(), "the value cannot be determined", "write it more simply: a name of a map cannot be sensitive")}
		}
	}()
	if d := f.checkCost(expr); d != nil {
		return cty.DynamicVal, hcl.Diagnostics{d}
	}
	v, diags = expr.Value(f.ctx)
	if diags.HasErrors() {
		if f.isJSON() {
			diags = explain.JSONTemplates(f.path, f.src, diags)
		}
		return cty.DynamicVal, f.expressions().Explain(expr, diags)
	}
	if !v.IsWhollyKnown() {
		return cty.DynamicVal, hcl.Diagnostics{explain.Problem(expr.Range(), "the value is not known", "write it out")}
	}
	diags, chooses := f.overlooked(expr)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	if x, ok := expr.(hclsyntax.Expression); ok && chooses {
		v = f.own(x)
	}
	return v, nil
}
