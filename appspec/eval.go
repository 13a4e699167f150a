package appspec

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// evaluate gives an expression its value. Its diagnostics speak our language
// and hold no values.
func evaluate(expr hcl.Expression, ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := expr.Value(ctx)
	if diags.HasErrors() {
		return cty.DynamicVal, explain(expr, ctx, diags)
	}
	if !v.IsWhollyKnown() {
		return cty.DynamicVal, hcl.Diagnostics{problem(expr.Range(), "the value cannot be known", "write it out")}
	}
	return v, nil
}
