package hclspec

import (
	"encoding/json"
	"slices"
	"sort"

	"github.com/zclconf/go-cty/cty"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

func (c *converter) object(v cty.Value) {
	if !isObject(v) {
		c.wrongType(v, "write: "+c.attr.Written())
		return
	}
	all := c.hidden
	c.setting.secrets = c.setting.secrets[:0]
	value, ok := c.any(v, "", false, false)
	if !ok {
		return
	}
	object, _ := value.(map[string]any)
	if _, comment := object["//"]; comment {
		c.fault(c.expr.Range(), c.attr.Name()+" cannot have the name \"//\"", commentAdvice)
		return
	}
	if all {
		c.setting.secrets = c.setting.secrets[:0]
		for k := range object {
			c.setting.secrets = append(c.setting.secrets, appspec.KeyPath("", k))
		}
	}
	sort.Strings(c.setting.secrets)
	c.setting.value = object
}

// any makes a value what JSON can hold and notes the secrets in it. Below a
// list (fixed) they are noted as the list's, which has no names for its items.
func (c *converter) any(v cty.Value, path string, hidden, fixed bool) (any, bool) {
	v, marks := v.Unmark()
	if len(marks) > 0 && !hidden {
		hidden = true
		if !slices.Contains(c.setting.secrets, path) {
			c.setting.secrets = append(c.setting.secrets, path)
		}
	}
	switch {
	case v.IsNull():
		return nil, true
	case v.Type() == cty.String:
		return v.AsString(), true
	case v.Type() == cty.Bool:
		return v.True(), true
	case v.Type() == cty.Number:
		if tooLarge(v) {
			c.fault(c.expr.Range(), c.attr.Name()+" holds a number that is too large", "the largest is about 1.8e308")
			return nil, false
		}
		return json.Number(numberText(v)), true
	case isList(v):
		list := make([]any, 0, v.LengthInt())
		for _, e := range elements(v) {
			item, ok := c.any(e, path, hidden, true)
			if !ok {
				return nil, false
			}
			list = append(list, item)
		}
		return list, true
	case isObject(v):
		object := make(map[string]any, v.LengthInt())
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			below := path
			if !fixed {
				below = appspec.KeyPath(path, k.AsString())
			}
			item, ok := c.any(e, below, hidden, fixed)
			if !ok {
				return nil, false
			}
			object[k.AsString()] = item
		}
		return object, true
	default:
		c.fault(c.expr.Range(), c.attr.Name()+" holds a value that JSON cannot", "write strings, numbers, true, false, null, lists and objects")
		return nil, false
	}
}
