package hclspec

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

const commentAdvice = "in JSON syntax \"//\" is a comment only beside attributes and blocks, in a value it is data: move the comment"

// converter makes the value of one attribute what the spec's field takes, or
// says why it cannot. It does not guess: a number in quotes is not a number.
type converter struct {
	attr    *appspec.Attribute
	expr    hcl.Expression
	setting *setting
	diags   hcl.Diagnostics
	hidden  bool // the value at work must not be printed
}

func (c *converter) fault(rng hcl.Range, what, instead string) {
	c.diags = append(c.diags, explain.Problem(rng, what, instead))
}

// shown is a value for a diagnostic.
func (c *converter) shown(text string) string {
	if c.hidden {
		return appspec.SensitiveText
	}
	if len(text) > 80 {
		cut := 76
		for cut > 0 && text[cut]&0xc0 == 0x80 {
			cut--
		}
		return text[:cut] + "…"
	}
	return text
}

// wrongType says what was found and what is wanted.
func (c *converter) wrongType(v cty.Value, instead string) {
	c.fault(c.expr.Range(), c.attr.Name()+" is "+article(c.attr.Type.String())+", not "+kindOf(v), instead)
}

func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

func kindOf(v cty.Value) string {
	switch t := v.Type(); {
	case v.IsNull():
		return "null"
	case t == cty.String:
		return "a string"
	case t == cty.Number:
		return "a number"
	case t == cty.Bool:
		return "true or false"
	case t.IsTupleType(), t.IsListType(), t.IsSetType():
		return "a list"
	default:
		return "an object"
	}
}

// convert sets setting.value or adds diagnostics.
func (c *converter) convert(v cty.Value) {
	whole, marks := v.Unmark()
	if len(marks) > 0 {
		c.hidden = true
		c.setting.secrets = append(c.setting.secrets, "")
	}
	c.keysTwice()
	switch c.attr.Type {
	case appspec.TypeString:
		c.text(whole)
	case appspec.TypeBool:
		c.boolean(whole)
	case appspec.TypeInt, appspec.TypeFloat:
		c.number(whole)
	case appspec.TypeDuration:
		c.duration(whole)
	case appspec.TypeSize:
		c.size(whole)
	case appspec.TypeMode:
		c.mode(whole)
	case appspec.TypeList:
		c.list(whole)
	case appspec.TypeMap:
		c.mapping(whole)
	case appspec.TypeObject:
		c.object(whole)
	}
}

func (c *converter) text(v cty.Value) {
	if v.Type() != cty.String {
		instead := "write: " + c.attr.Written()
		if v.Type() == cty.Number && !c.hidden {
			instead = "put it in quotes: " + c.attr.Name() + " = " + appspec.Quote(numberText(v))
			if advice, ok := c.attr.Check(numberText(v)); !ok {
				instead = advice
			}
		} else if isList(v) && v.LengthInt() == 1 {
			instead = "leave out the brackets: " + c.attr.Written()
			if only, marks := elements(v)[0].Unmark(); len(marks) == 0 && !c.hidden && !only.IsNull() && only.Type() == cty.String {
				instead = "leave out the brackets: " + c.attr.Name() + " = " + appspec.Quote(only.AsString())
			}
		} else if isList(v) && c.attr.Path == "sockets.http.listen" {
			instead = "write a block for each address: http { listen = \"…\" }"
			if all := listTexts(v); len(all) > 0 && !c.hidden {
				instead = "write a block for each address:"
				for _, text := range all {
					instead += "\nhttp { listen = " + appspec.Quote(text) + " }"
				}
			}
		}
		c.wrongType(v, instead)
		return
	}
	s := v.AsString()
	if c.checked(s, c.expr.Range()) {
		c.setting.value = s
	}
}

// checked checks a string of the attribute.
func (c *converter) checked(s string, rng hcl.Range) bool {
	name := c.attr.Name()
	if len(c.attr.OneOf) > 0 {
		if slices.Contains(c.attr.OneOf, s) {
			return true
		}
		instead := "write one of: " + quoteAll(c.attr.OneOf)
		if near := appspec.Nearest(s, c.attr.OneOf); near != "" && !c.hidden {
			instead = "did you mean " + appspec.Quote(near) + "? " + instead
		}
		c.fault(rng, name+" cannot be "+c.shown(appspec.Quote(s)), instead)
		return false
	}
	instead, ok := c.attr.Check(s)
	if !ok {
		if c.hidden {
			instead = "write " + plainForm(c.attr)
		}
		c.fault(rng, name+" cannot be "+c.shown(appspec.Quote(s)), instead)
	}
	return ok
}

func plainForm(a *appspec.Attribute) string { return strings.ReplaceAll(a.Form, "`", "") }

func quoteAll(words []string) string {
	q := make([]string, len(words))
	for i, w := range words {
		q[i] = appspec.Quote(w)
	}
	return strings.Join(q, ", ")
}

func (c *converter) boolean(v cty.Value) {
	if v.Type() == cty.Bool {
		c.setting.value = v.True()
		return
	}
	instead := "write: " + c.attr.Name() + " = true or " + c.attr.Name() + " = false"
	if v.Type() == cty.String && !c.hidden {
		switch strings.ToLower(v.AsString()) {
		case "true", "yes", "on", "1":
			instead = "write: " + c.attr.Name() + " = true"
		case "false", "no", "off", "0", "":
			instead = "write: " + c.attr.Name() + " = false"
		}
	}
	c.fault(c.expr.Range(), c.attr.Name()+" is true or false, not "+kindOf(v), instead)
}
