package hclspec

import (
	"encoding/json"
	"math/big"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
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
	c.diags = append(c.diags, problem(rng, what, instead))
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

func (c *converter) number(v cty.Value) {
	if v.Type() != cty.Number {
		instead := "write: " + c.attr.Written()
		if v.Type() == cty.String && !c.hidden {
			if _, err := strconv.ParseFloat(v.AsString(), 64); err == nil {
				instead = "leave out the quotes: " + c.attr.Name() + " = " + v.AsString()
			} else if share, ok := cpuShare(v.AsString()); ok && c.attr.Path == "limits.cpu" {
				instead = "it is a number of cores: cpu = " + share
			}
		}
		c.wrongType(v, instead)
		return
	}
	f, _ := v.AsBigFloat().Float64()
	if c.attr.Type == appspec.TypeInt && !v.AsBigFloat().IsInt() {
		c.fault(c.expr.Range(), c.attr.Name()+" is a whole number, not "+c.shown(numberText(v)), "write: "+c.attr.Written())
		return
	}
	if !c.inRange(f, func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }, numberText(v)) {
		return
	}
	if c.attr.Type == appspec.TypeInt {
		c.setting.value = int(f)
	} else {
		c.setting.value = f
	}
}

// inRange checks a value against Min, Max and Zero.
func (c *converter) inRange(f float64, show func(float64) string, shown string) bool {
	a := c.attr
	if f == 0 && a.Zero || a.Min == 0 && a.Max == 0 || f >= a.Min && f <= a.Max {
		return true
	}
	c.fault(c.expr.Range(), a.Name()+" cannot be "+c.shown(shown), "write "+a.RangeText(show))
	return false
}

func isList(v cty.Value) bool {
	t := v.Type()
	return !v.IsNull() && (t.IsTupleType() || t.IsListType() || t.IsSetType())
}

func isObject(v cty.Value) bool {
	t := v.Type()
	return !v.IsNull() && (t.IsObjectType() || t.IsMapType())
}

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
		instead := "write: " + c.attr.Written()
		if isList(v) && !c.hidden { // NAME=value, as compose and supervisord take it
			var pairs []string
			for _, text := range listTexts(v) {
				if name, value, ok := strings.Cut(text, "="); ok {
					pairs = append(pairs, appspec.KeyText(name)+" = "+appspec.Quote(value))
				}
			}
			if len(pairs) == v.LengthInt() && len(pairs) > 0 {
				instead = "write: " + c.attr.Name() + " = { " + strings.Join(pairs, ", ") + " }"
			}
		}
		c.wrongType(v, instead)
		return
	}
	all, name := c.hidden, c.attr.Name()
	secrets := c.setting.secrets[:0]
	out := make(map[string]string)
	for it := v.ElementIterator(); it.Next(); {
		key, e := it.Element()
		k := key.AsString()
		e, marks := e.Unmark()
		c.hidden = all || len(marks) > 0
		rng := c.keyRange(k)
		switch {
		case k == "" || strings.ContainsAny(k, "=\x00"):
			c.fault(rng, name+" cannot have the name "+appspec.Quote(k), "the name of an environment variable is not empty and has no =")
			continue
		case k == "//":
			c.fault(rng, name+" cannot have the name \"//\"", commentAdvice)
			continue
		case e.IsNull():
			c.setting.nulls = append(c.setting.nulls, k)
			continue
		case e.Type() == cty.String:
			if strings.ContainsRune(e.AsString(), 0) {
				c.fault(rng, appspec.KeyPath(name, k)+" holds a NUL byte", "an environment variable cannot")
				continue
			}
			if name, ok := shellVariable(k, e.AsString()); ok && c.attr.Path == "env" && c.isLiteral(k) {
				what, instead := appspec.KeyPath("env", k)+" holds $"+name+", and no shell replaces it", "write ${env(\"NAME\")} in its place"
				if !c.hidden {
					instead = "write: " + k + " = \"" + strings.NewReplacer("${"+name+"}", "${env("+appspec.Quote(name)+")}", "$"+name, "${env("+appspec.Quote(name)+")}").Replace(e.AsString()) + "\"; for the text itself: " + k + " = format(\"%s\", " + appspec.Quote(e.AsString()) + ")"
				}
				c.fault(rng, what, instead)
				continue
			}
			out[k] = e.AsString()
		case e.Type() == cty.Number && tooLarge(e):
			c.fault(rng, appspec.KeyPath(name, k)+" is a number that is too large", "write it as text, in quotes")
			continue
		case e.Type() == cty.Number:
			out[k] = numberText(e)
		case e.Type() == cty.Bool:
			c.fault(rng, appspec.KeyPath(name, k)+" is a string, not true or false", boolAdvice(k, e, c.hidden))
			continue
		default:
			c.fault(rng, appspec.KeyPath(name, k)+" is a string, not "+kindOf(e), "an environment variable is text: write it in quotes, or use jsonencode(…)")
			continue
		}
		if c.hidden {
			secrets = append(secrets, appspec.KeyPath("", k))
		}
	}
	c.hidden = all
	c.setting.secrets, c.setting.value = secrets, out
}

func boolAdvice(k string, v cty.Value, hidden bool) string {
	if hidden {
		return "an environment variable is text: write what the app looks for, in quotes"
	}
	text := strconv.FormatBool(v.True())
	return "an environment variable is text: write what the app looks for, such as " + appspec.KeyText(k) + " = " + appspec.Quote(text) + " or " + appspec.KeyText(k) + " = " + appspec.Quote(map[string]string{"true": "1", "false": ""}[text])
}

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

// tooLarge tells whether a number is beyond what JSON's readers take.
func tooLarge(v cty.Value) bool {
	f := v.AsBigFloat()
	return f.IsInf() || f.MantExp(nil) > 1024
}

// numberText writes a number so that it reads back the same, as short as can
// be; whole numbers without a point.
func numberText(v cty.Value) string {
	f := v.AsBigFloat()
	if f.IsInt() && f.MantExp(nil) < 256 {
		return f.Text('f', 0)
	}
	d, _ := f.Float64()
	short := strconv.FormatFloat(d, 'g', -1, 64)
	if back, _, err := big.ParseFloat(short, 10, 512, big.ToNearestEven); err == nil && back.Cmp(f) == 0 {
		return short
	}
	return f.Text('g', -1)
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

// cpuShare is a share of processors as kubernetes ("500m") and systemd ("50%")
// write it, in cores.
func cpuShare(s string) (cores string, ok bool) {
	per := 1000.0
	text, isMilli := strings.CutSuffix(strings.TrimSpace(s), "m")
	if !isMilli {
		if text, ok = strings.CutSuffix(strings.TrimSpace(s), "%"); !ok {
			return "", false
		}
		per = 100
	}
	n, err := strconv.ParseFloat(text, 64)
	return strconv.FormatFloat(n/per, 'f', -1, 64), err == nil
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
