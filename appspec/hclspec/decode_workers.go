package hclspec

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// numbers makes count, min and max of one layer agree: count is both, and max
// alone scales from one worker on.
func (d *decoder) numbers() {
	at := make(map[string]int)
	for i := range d.layer.steps {
		if s := d.layer.steps[i].setting; s != nil {
			at[s.attr.Path] = i
		}
	}
	rng := func(i int) hcl.Range { return d.layer.steps[i].rng }
	_, fixed := at["workers.count"]
	lo, hasMin := at["workers.min"]
	hi, hasMax := at["workers.max"]
	switch {
	case fixed && hasMin:
		d.fault(rng(lo), "count and min in one block", "count is a fixed number: write count, or min and max")
	case fixed && hasMax:
		d.fault(rng(hi), "count and max in one block", "count is a fixed number: write count, or min and max")
	}
}

// hclNumber writes a number; empty for anything else.
func hclNumber(v cty.Value) string {
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.Number {
		return ""
	}
	return numberText(v)
}
