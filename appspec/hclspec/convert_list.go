package hclspec

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

func (c *converter) list(v cty.Value) {
	if !isList(v) {
		instead := "write: " + c.attr.Written()
		if v.Type() == cty.String && !c.hidden {
			instead = "put it in brackets: " + c.attr.Name() + " = [" + c.shown(appspec.Quote(v.AsString())) + "]"
			if c.attr.Name() == "command" {
				instead = "no shell reads it: write each word by itself: command = " + c.shown(commandWords(v.AsString()))
			}
		}
		c.wrongType(v, instead)
		return
	}
	hidden := c.hidden
	list := make([]string, 0, v.LengthInt())
	for i, e := range elements(v) {
		e, marks := e.Unmark()
		c.hidden = hidden || len(marks) > 0
		if len(marks) > 0 && len(c.setting.secrets) == 0 {
			c.setting.secrets = append(c.setting.secrets, "")
		}
		rng := c.itemRange(i)
		if e.IsNull() || e.Type() != cty.String {
			c.fault(rng, c.attr.Name()+" is a list of strings, and one of them is "+kindOf(e), "write: "+c.attr.Written())
			continue
		}
		if c.checked(e.AsString(), rng) {
			list = append(list, e.AsString())
		}
	}
	c.hidden = hidden
	if len(list) == 0 {
		list = nil
	}
	c.setting.value = list
}

func elements(v cty.Value) []cty.Value {
	out := make([]cty.Value, 0, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		out = append(out, e)
	}
	return out
}

// itemRange is the place of item i of a list that is written out.
func (c *converter) itemRange(i int) hcl.Range {
	if t, ok := c.expr.(*hclsyntax.TupleConsExpr); ok && i < len(t.Exprs) {
		return t.Exprs[i].Range()
	}
	return c.expr.Range()
}

// listTexts are the elements of a list that holds nothing but text.
func listTexts(v cty.Value) []string {
	var out []string
	for _, e := range elements(v) {
		e, marks := e.Unmark()
		if len(marks) > 0 || e.IsNull() || e.Type() != cty.String {
			return nil
		}
		out = append(out, e.AsString())
	}
	return out
}

func isList(v cty.Value) bool {
	t := v.Type()
	return !v.IsNull() && (t.IsTupleType() || t.IsListType() || t.IsSetType())
}
