package hclspec

import (
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// equal reports what is never equal: HCL adds and orders a string and a number as numbers,
// and compares them as what they are (2.25.0;
// findings/hcl-text-is-never-equal-to-its-number.sh). Items of a loop may be of many kinds,
// and nobody means that of all of them.
func (w *overlooked) equal(x *hclsyntax.BinaryOpExpr) {
	if w.unused > 0 || len(w.scopes) > 0 || w.mixed {
		return
	}
	left, ok := w.sample(x.LHS)
	if !ok {
		return
	}
	if right, ok := w.sample(x.RHS); ok {
		if what, instead := neverEqual(left, right); what != "" {
			w.report(explain.Problem(x.SrcRange, what, instead))
		}
	}
}

// sample is the value of an expression, or, where an operator makes it, any of its kind:
// a long chain is not evaluated anew for each of its parts.
func (w *overlooked) sample(x hclsyntax.Expression) (cty.Value, bool) {
	kind := cty.NilType
	switch x := x.(type) {
	case *hclsyntax.ParenthesesExpr:
		return w.sample(x.Expression)
	case *hclsyntax.BinaryOpExpr:
		kind = x.Op.Type
	case *hclsyntax.UnaryOpExpr:
		kind = x.Op.Type
	}
	switch kind {
	case cty.Bool:
		return cty.True, true
	case cty.Number:
		return cty.Zero, true
	}
	v, diags := x.Value(w.ctx)
	if diags.HasErrors() {
		return cty.NilVal, false // the library has told it
	}
	v, _ = v.UnmarkDeep()
	return v, true
}

// neverEqual says why two values cannot be equal whatever they are, for they are of two
// kinds; empty: they are of one, or nobody takes them for each other.
func neverEqual(a, b cty.Value) (what, instead string) {
	if !a.IsKnown() || !b.IsKnown() || a.IsNull() || b.IsNull() {
		return "", ""
	}
	s, t := a.Type(), b.Type()
	switch {
	case s.Equals(t):
	case s.IsPrimitiveType() && t.IsPrimitiveType():
		switch {
		case s != cty.String && t != cty.String:
			return "a number and true or false are never equal here", "compare numbers with numbers"
		case s == cty.Number || t == cty.Number:
			return "a string and a number are never equal here, not even \"2\" and 2", "write the number in quotes, or format(\"%v\", …) around it where it is reckoned"
		}
		return "a string and true or false are never equal here, not even \"true\" and true", "write true or false in quotes"
	case s.IsListType() && t.IsTupleType(), s.IsTupleType() && t.IsListType():
		return "a list that a function makes and one that is written out are never equal here, whatever is in them", "compare the strings that join(\",\", …) makes of both"
	case s.IsTupleType() && t.IsTupleType() && a.LengthInt() == b.LengthInt():
		for i, item := range a.AsValueSlice() {
			if what, instead := neverEqual(item, b.AsValueSlice()[i]); what != "" {
				return what, instead
			}
		}
	}
	return "", ""
}
