package hclspec

import (
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// own is the value of an expression in which each ? : has the type of the side that is
// taken. The library makes both sides alike (hcl 2.25.0): of true ? 4 : "auto" it makes the
// text "4", and of true ? {a = 1} : {b = "x"} an object whose a is text. By the library the
// whole has a value without errors. Within a for expression it stays the library's.
func (f *file) own(x hclsyntax.Expression) cty.Value {
	switch x := x.(type) {
	case *hclsyntax.ParenthesesExpr:
		return f.own(x.Expression)
	case *hclsyntax.TemplateWrapExpr:
		return f.own(x.Wrapped)
	case *hclsyntax.ConditionalExpr:
		condition, _ := x.Condition.Value(f.ctx)
		condition, marks := condition.Unmark()
		if truth, err := convert.Convert(condition, cty.Bool); err == nil && truth.IsKnown() && !truth.IsNull() {
			taken := x.FalseResult
			if truth.True() {
				taken = x.TrueResult
			}
			return f.own(taken).WithMarks(marks)
		}
	case *hclsyntax.TupleConsExpr:
		values := make([]cty.Value, len(x.Exprs))
		for i, e := range x.Exprs {
			values[i] = f.own(e)
		}
		return cty.TupleVal(values)
	case *hclsyntax.ObjectConsExpr:
		values := make(map[string]cty.Value, len(x.Items))
		for _, item := range x.Items {
			key, _ := item.KeyExpr.Value(f.ctx)
			name, err := convert.Convert(key, cty.String)
			if err != nil || name.IsMarked() || !name.IsKnown() || name.IsNull() {
				v, _ := x.Value(f.ctx)
				return v
			}
			values[name.AsString()] = f.own(item.ValueExpr)
		}
		return cty.ObjectVal(values)
	}
	v, _ := x.Value(f.ctx)
	return v
}
