package hclspec

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// overlooked finds what the library lets pass in an expression that has a value
// (hcl 2.25.0): an unknown name or function on a side of ||, && or ?: that does not
// count, an error on the left of an || or && whose right side decides, and a
// division by zero, where 5 % 0 is 5 and 5 / 0 infinite, and a comparison of two kinds of
// values, which are never equal. chooses tells whether a ?: stands
// in it.
func (f *file) overlooked(expr hcl.Expression) (diags hcl.Diagnostics, chooses bool) {
	w := &overlooked{f: f, whole: expr, ctx: f.ctx}
	if x, ok := expr.(hclsyntax.Expression); ok {
		_ = hclsyntax.Walk(x, w) // it reports as it goes
		return w.diags, w.chooses
	}
	v, _ := expr.Value(nil)
	_ = eachJSONValue(v, func(v cty.Value) error {
		if v.Type() != cty.String || !v.IsKnown() || v.IsNull() || !mayBeTemplate(v.AsString()) {
			return nil
		}
		if x, diags := hclsyntax.ParseTemplate([]byte(v.AsString()), "", hcl.InitialPos); !diags.HasErrors() {
			_ = hclsyntax.Walk(x, w) // it reports as it goes
		}
		return nil
	})
	// The library does not tell where in the file a text of a JSON value stands.
	for _, d := range w.diags {
		d.Subject = expr.Range().Ptr()
	}
	return w.diags, w.chooses
}

type overlooked struct {
	f       *file
	whole   hcl.Expression
	ctx     *hcl.EvalContext
	diags   hcl.Diagnostics
	known   []map[string]struct{} // names that ctx holds, of the for expressions around
	scopes  []map[string]struct{} // names that it does not hold, of those between
	skip    map[hclsyntax.Expression]bool
	unused  int // how many expressions around have no part in the value
	decided map[hclsyntax.Expression]bool
	chooses bool
	mixed   bool // the items of the loop around are of several kinds
}

func (w *overlooked) Enter(node hclsyntax.Node) hcl.Diagnostics {
	if scope, ok := node.(hclsyntax.ChildScope); ok {
		w.scopes = append(w.scopes, scope.LocalNames)
		return nil
	}
	if x, ok := node.(hclsyntax.Expression); ok && w.skip[x] {
		w.unused++
	}
	switch x := node.(type) {
	case *hclsyntax.ScopeTraversalExpr:
		w.name(x)
	case *hclsyntax.FunctionCallExpr:
		if _, known := w.f.ctx.Functions[x.Name]; !known {
			w.report(w.f.expressions().Call(x, nil))
		}
	case *hclsyntax.ConditionalExpr:
		w.chooses = true
		if truth, ok := w.decide(x.Condition); ok {
			unused := x.FalseResult
			if !truth {
				unused = x.TrueResult
			}
			w.skipped(unused)
		}
	case *hclsyntax.BinaryOpExpr:
		w.binary(x)
	case *hclsyntax.ForExpr:
		w.loop(x)
	}
	return nil
}

func (w *overlooked) Exit(node hclsyntax.Node) hcl.Diagnostics {
	if _, ok := node.(hclsyntax.ChildScope); ok {
		w.scopes = w.scopes[:len(w.scopes)-1]
	} else if x, ok := node.(hclsyntax.Expression); ok && w.skip[x] {
		w.unused--
	}
	return nil
}

// skipped notes what has no part in the value. Most expressions have no such part.
func (w *overlooked) skipped(x hclsyntax.Expression) {
	if w.skip == nil {
		w.skip = make(map[hclsyntax.Expression]bool)
	}
	w.skip[x] = true
}

// name reports a name that is neither a local nor a variable of a for expression.
func (w *overlooked) name(x *hclsyntax.ScopeTraversalExpr) {
	root := x.Traversal.RootName()
	for _, names := range slices.Concat(w.known, w.scopes) {
		if _, ok := names[root]; ok {
			return
		}
	}
	if name, ok := explain.LocalName(x.Traversal); ok && w.f.hasLocal(name) || root == "local" && !ok {
		return
	}
	if d := w.f.expressions().Name(x, w.whole); d != nil {
		w.report(d)
	}
}

func (w *overlooked) binary(x *hclsyntax.BinaryOpExpr) {
	switch x.Op {
	case hclsyntax.OpLogicalOr, hclsyntax.OpLogicalAnd:
		if !w.decided[x] {
			w.decide(x)
		}
	case hclsyntax.OpEqual, hclsyntax.OpNotEqual:
		w.equal(x)
	case hclsyntax.OpDivide, hclsyntax.OpModulo:
		if by, ok := w.value(x.RHS, cty.Number); ok && by.AsBigFloat().Sign() == 0 {
			w.report(explain.Problem(x.SrcRange, "the number is divided by zero", "divide by another number, or leave the division out"))
		}
	}
}

// loop looks at a for expression in which something is divided or compared, once for each
// item: by what is only known then.
func (w *overlooked) loop(x *hclsyntax.ForExpr) {
	if w.unused > 0 || len(w.scopes) > 0 || !dependsOnItems(x) {
		return
	}
	items, diags := x.CollExpr.Value(w.ctx)
	items, _ = items.Unmark()
	if diags.HasErrors() || !items.IsKnown() || items.IsNull() || !items.CanIterateElements() {
		return // the library has told it
	}
	names := map[string]struct{}{x.ValVar: {}}
	if x.KeyVar != "" {
		names[x.KeyVar] = struct{}{}
	}
	mixed := w.mixed || ofSeveralKinds(items)
	for key, item := range items.Elements() {
		inner := &overlooked{f: w.f, whole: w.whole, mixed: mixed, ctx: w.ctx.NewChild(), diags: w.diags, known: append(slices.Clone(w.known), names)}
		inner.ctx.Variables = map[string]cty.Value{x.ValVar: item}
		if x.KeyVar != "" {
			inner.ctx.Variables[x.KeyVar] = key
		}
		taken := true
		if x.CondExpr != nil {
			_ = hclsyntax.Walk(x.CondExpr, inner) // it reports as it goes
			taken, _ = inner.decide(x.CondExpr)
		}
		for _, part := range []hclsyntax.Expression{x.KeyExpr, x.ValExpr} {
			if taken && part != nil {
				_ = hclsyntax.Walk(part, inner) // it reports as it goes
			}
		}
		w.diags = inner.diags
	}
}

// ofSeveralKinds tells whether one item is a string and another one a number, or the like.
func ofSeveralKinds(items cty.Value) bool {
	kind := cty.NilType
	for _, item := range items.Elements() {
		if !kind.Equals(cty.NilType) && !kind.Equals(item.Type()) {
			return true
		}
		kind = item.Type()
	}
	return false
}

// dependsOnItems tells whether something is divided or compared in an expression.
func dependsOnItems(x hclsyntax.Expression) bool {
	found := false
	_ = hclsyntax.VisitAll(x, func(node hclsyntax.Node) hcl.Diagnostics { // it never fails
		op, ok := node.(*hclsyntax.BinaryOpExpr)
		found = found || ok && slices.Contains([]*hclsyntax.Operation{hclsyntax.OpDivide, hclsyntax.OpModulo, hclsyntax.OpEqual, hclsyntax.OpNotEqual}, op.Op)
		return nil
	})
	return found
}

// decide is the truth of a condition. It asks for each operand of a chain of || and &&
// once, where the library would evaluate the chain anew for each of its parts.
func (w *overlooked) decide(x hclsyntax.Expression) (truth, ok bool) {
	switch x := x.(type) {
	case *hclsyntax.ParenthesesExpr:
		return w.decide(x.Expression)
	case *hclsyntax.BinaryOpExpr:
		or := x.Op == hclsyntax.OpLogicalOr
		if !or && x.Op != hclsyntax.OpLogicalAnd {
			break
		}
		if w.decided == nil {
			w.decided = make(map[hclsyntax.Expression]bool)
		}
		w.decided[x] = true
		left, ok := w.decide(x.LHS)
		if !ok {
			return false, false
		}
		if left == or {
			w.skipped(x.RHS)
			return left, true
		}
		return w.decide(x.RHS)
	}
	v, ok := w.value(x, cty.Bool)
	return ok && v.True(), ok
}

// value is an operand, of a type, unless it has no part in the value of the whole or
// depends on a variable of a for expression. Its errors are reported: no other operand
// can make them good.
func (w *overlooked) value(x hclsyntax.Expression, wanted cty.Type) (cty.Value, bool) {
	if w.unused > 0 || len(w.scopes) > 0 {
		return cty.NilVal, false
	}
	v, diags := x.Value(w.ctx)
	if diags.HasErrors() {
		w.report(w.f.expressions().Explain(w.whole, diags)...)
		return cty.NilVal, false
	}
	v, _ = v.Unmark()
	v, err := convert.Convert(v, wanted)
	if err != nil || !v.IsKnown() {
		return cty.NilVal, false // the library has told it
	}
	if v.IsNull() {
		w.report(explain.Problem(x.Range(), "null cannot be used in a calculation", "write a number, or true or false"))
		return cty.NilVal, false
	}
	return v, true
}

// report adds what has not been told of the same place.
func (w *overlooked) report(diags ...*hcl.Diagnostic) {
	for _, d := range diags {
		if !slices.ContainsFunc(w.diags, func(told *hcl.Diagnostic) bool { return *told.Subject == *d.Subject }) {
			w.diags = append(w.diags, d)
		}
	}
}
