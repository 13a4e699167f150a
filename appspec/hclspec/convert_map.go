package hclspec

import (
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// keysTwice finds keys that stand twice in an object that is written out: in native
// syntax HCL takes the last one without a word (hcl/v2 2.25.0).
func (c *converter) keysTwice() {
	whole, ok := c.expr.(hclsyntax.Node)
	if !ok {
		return
	}
	_ = hclsyntax.VisitAll(whole, func(node hclsyntax.Node) hcl.Diagnostics {
		o, ok := node.(*hclsyntax.ObjectConsExpr)
		if !ok {
			return nil
		}
		first := make(map[string]int, len(o.Items))
		for _, item := range o.Items {
			key, ok := writtenKey(item)
			if !ok {
				continue
			}
			if line, twice := first[key]; twice {
				c.fault(item.KeyExpr.Range(), appspec.Quote(key)+" is defined twice in "+c.attr.Name(), "the first is on line "+strconv.Itoa(line)+": keep one of the two")
				continue
			}
			first[key] = item.KeyExpr.Range().Start.Line
		}
		return nil
	})
}

// writtenKey is the key of an item whose key is written as text.
func writtenKey(item hclsyntax.ObjectConsItem) (string, bool) {
	k, diags := item.KeyExpr.Value(nil)
	if diags.HasErrors() || k.IsMarked() || !k.IsKnown() || k.IsNull() || k.Type() != cty.String {
		return "", false
	}
	return k.AsString(), true
}

// writtenValue is the value of a key of an object that is written out; nil: it is
// not there.
func (c *converter) writtenValue(key string) hclsyntax.Expression {
	if o, ok := c.expr.(*hclsyntax.ObjectConsExpr); ok {
		for _, item := range o.Items {
			if k, ok := writtenKey(item); ok && k == key {
				return item.ValueExpr
			}
		}
	}
	return nil
}

// keyRange is the place of a value of an object that is written out.
func (c *converter) keyRange(key string) hcl.Range {
	if value := c.writtenValue(key); value != nil {
		return value.Range()
	}
	return c.expr.Range()
}

// isLiteral tells whether the value of a key is written as one piece of text: what
// a function returns was meant as it is. JSON syntax shows no expressions.
func (c *converter) isLiteral(key string) bool {
	if _, native := c.expr.(hclsyntax.Node); !native {
		return true
	}
	t, ok := c.writtenValue(key).(*hclsyntax.TemplateExpr)
	return ok && t.IsStringLiteral()
}

func (c *converter) mapping(v cty.Value) {
	if !isObject(v) {
		c.wrongType(v, c.insteadOfList(v))
		return
	}
	all := c.hidden
	secrets := c.setting.secrets[:0]
	out := make(map[string]string)
	for it := v.ElementIterator(); it.Next(); {
		key, e := it.Element()
		k := key.AsString()
		e, marks := e.Unmark()
		c.hidden = all || len(marks) > 0
		text, ok := c.variable(k, e)
		if !ok {
			continue
		}
		out[k] = text
		if c.hidden {
			secrets = append(secrets, appspec.KeyPath("", k))
		}
	}
	c.hidden = all
	c.setting.secrets, c.setting.value = secrets, out
}

// insteadOfList is what to write for a value that is no object: of a list of NAME=value, as
// compose and supervisord take it, the same as an object.
func (c *converter) insteadOfList(v cty.Value) string {
	if !isList(v) || c.hidden {
		return "write: " + c.attr.Written()
	}
	var pairs []string
	for _, text := range listTexts(v) {
		if name, value, ok := strings.Cut(text, "="); ok {
			pairs = append(pairs, appspec.KeyText(name)+" = "+appspec.Quote(value))
		}
	}
	if len(pairs) == 0 || len(pairs) != v.LengthInt() {
		return "write: " + c.attr.Written()
	}
	return "write: " + c.attr.Name() + " = { " + strings.Join(pairs, ", ") + " }"
}

// variable is the text of one key; ok is false where it sets none: null leaves it to those
// before, anything else is a fault.
func (c *converter) variable(k string, v cty.Value) (text string, ok bool) {
	name := c.attr.Name()
	shown := appspec.KeyPath(name, k)
	refuse := func(what, instead string) (string, bool) {
		c.fault(c.keyRange(k), what, instead)
		return "", false
	}
	switch {
	case k == "" || strings.ContainsAny(k, "=\x00"):
		return refuse(name+" cannot have the name "+appspec.Quote(k), "the name of an environment variable is not empty and has no =")
	case k == "//":
		return refuse(name+" cannot have the name \"//\"", commentAdvice)
	case v.IsNull():
		c.setting.nulls = append(c.setting.nulls, k)
		return "", false
	case v.Type() == cty.Number && tooLarge(v):
		return refuse(shown+" is a number that is too large", "write it as text, in quotes")
	case v.Type() == cty.Number:
		return numberText(v), true
	case v.Type() == cty.Bool:
		return refuse(shown+" is a string, not true or false", boolAdvice(k, v, c.hidden))
	case v.Type() != cty.String:
		return refuse(shown+" is a string, not "+kindOf(v), "an environment variable is text: write it in quotes, or use jsonencode(…)")
	}
	text = v.AsString()
	if strings.ContainsRune(text, 0) {
		return refuse(shown+" holds a NUL byte", "an environment variable cannot")
	}
	if name, ok := shellVariable(k, text); ok && c.attr.Path == "env" && c.isLiteral(k) {
		return refuse(shown+" holds $"+name+", and no shell replaces it", shellAdvice(k, name, text, c.hidden))
	}
	return text, true
}

// shellAdvice is what to write for a variable in a value that only a shell would replace.
func shellAdvice(k, name, text string, hidden bool) string {
	if hidden {
		return "write ${env(\"NAME\")} in its place"
	}
	call := "${env(" + appspec.Quote(name) + ")}"
	filled := strings.NewReplacer("${"+name+"}", call, "$"+name, call).Replace(text)
	return "write: " + k + " = \"" + filled + "\"; for the text itself: " + k + " = format(\"%s\", " + appspec.Quote(text) + ")"
}

func boolAdvice(k string, v cty.Value, hidden bool) string {
	if hidden {
		return "an environment variable is text: write what the app looks for, in quotes"
	}
	text := strconv.FormatBool(v.True())
	return "an environment variable is text: write what the app looks for, such as " + appspec.KeyText(k) + " = " + appspec.Quote(text) + " or " + appspec.KeyText(k) + " = " + appspec.Quote(map[string]string{"true": "1", "false": ""}[text])
}

// shellVariable finds a variable in a value that only a shell would replace: the
// one of the same name, or one that a path is made of. Any other $ may be a
// password's.
func shellVariable(key, value string) (name string, ok bool) {
	for _, name := range []string{key, "PATH", "HOME", "PYTHONPATH", "LD_LIBRARY_PATH", "PWD", "USER", "VIRTUAL_ENV"} {
		if rest, found := strings.CutPrefix(value, "$"+name); found && (rest == "" || strings.ContainsAny(rest[:1], ":/")) ||
			strings.HasSuffix(value, ":$"+name) || strings.Contains(value, ":$"+name+":") || strings.Contains(value, ":$"+name+"/") {
			return name, true
		}
	}
	return "", false
}

func isObject(v cty.Value) bool {
	t := v.Type()
	return !v.IsNull() && (t.IsObjectType() || t.IsMapType())
}
