package hclspec

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// maxCost is how many bytes the value of one expression, and all values on the
// way to it, may come to. A few locals that double each other, a loop in a loop
// or a wide format can ask for more than any host has, and an evaluation that has
// begun can be stopped by nobody: a limit of time would leave it running.
const maxCost = 64 << 20

// cost bounds a value from above.
type cost struct {
	size float64 // bytes in all
	n    float64 // items, of a list or an object
	item float64 // bytes of the largest item
}

// checkCost refuses an expression whose value could grow out of bounds, before
// it is evaluated.
func (f *file) checkCost(expr hcl.Expression) *hcl.Diagnostic {
	var total float64
	if x, ok := expr.(hclsyntax.Expression); ok {
		e := &estimate{f: f}
		total = e.of(x).size + e.work
	} else {
		v, _ := expr.Value(nil)
		var err error
		if total, err = f.templates(v); err != nil {
			return explain.Problem(expr.Range(), err.Error(), "the expression is too complex: split it")
		}
	}
	if total <= maxCost {
		return nil
	}
	return explain.Problem(expr.Range(), fmt.Sprintf("the value could grow to more than %s", appspec.Size(maxCost)), "avoid nested loops, locals that multiply each other, and very long numbers")
}

// templates is the cost of the templates in the strings of a JSON value.
func (f *file) templates(v cty.Value) (total float64, err error) {
	err = eachJSONValue(v, func(v cty.Value) error {
		if v.Type() == cty.Number && v.IsKnown() && !v.IsNull() {
			total += sizeOf(v).size
			return nil
		}
		total += 8
		if v.Type() != cty.String || !v.IsKnown() || v.IsNull() {
			return nil
		}
		s := v.AsString()
		total += float64(len(s))
		if !mayBeTemplate(s) {
			return nil
		}
		if _, nesting, operators, digits := survey([]byte(s)); nesting > maxNesting || operators > maxChain || digits > maxDigits {
			tokens, _ := hclsyntax.LexTemplate([]byte(s), "", hcl.InitialPos)
			if err := checkTokens(tokens); err != nil {
				return err
			}
		}
		if x, diags := hclsyntax.ParseTemplate([]byte(s), "", hcl.InitialPos); !diags.HasErrors() {
			e := &estimate{f: f}
			total += e.of(x).size + e.work
		}
		return nil
	})
	return total, err
}

// mayBeTemplate tells whether a string of a JSON value may hold an expression.
func mayBeTemplate(s string) bool { return strings.Contains(s, "${") || strings.Contains(s, "%{") }

// eachJSONValue visits a JSON value and all values and keys in it.
func eachJSONValue(v cty.Value, visit func(cty.Value) error) error {
	if err := visit(v); err != nil || v.IsNull() || !v.IsKnown() || !v.CanIterateElements() {
		return err
	}
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		for _, part := range []cty.Value{k, e} {
			if err := eachJSONValue(part, visit); err != nil {
				return err
			}
		}
	}
	return nil
}

// estimate walks an expression.
type estimate struct {
	f    *file
	work float64 // bytes that are made on the way and thrown away
	vars []scoped
	anon []cost
}

// scoped is a variable of a for expression.
type scoped struct {
	name string
	cost cost
}

func (e *estimate) of(x hclsyntax.Expression) cost {
	switch x := x.(type) {
	case *hclsyntax.LiteralValueExpr:
		return sizeOf(x.Val)
	case *hclsyntax.ParenthesesExpr:
		return e.of(x.Expression)
	case *hclsyntax.TemplateWrapExpr:
		return e.of(x.Wrapped)
	case *hclsyntax.TemplateExpr:
		return text(e.sum(x.Parts).size)
	case *hclsyntax.TemplateJoinExpr:
		return text(e.of(x.Tuple).size)
	case *hclsyntax.ObjectConsKeyExpr:
		return e.of(x.Wrapped)
	case *hclsyntax.TupleConsExpr:
		return e.sum(x.Exprs)
	case *hclsyntax.ObjectConsExpr:
		c := cost{n: float64(len(x.Items))}
		for _, item := range x.Items {
			size := e.of(item.KeyExpr).size + e.of(item.ValueExpr).size + 16
			c.size += size
			c.item = math.Max(c.item, size)
		}
		return c
	case *hclsyntax.ConditionalExpr:
		e.work += e.of(x.Condition).size
		a, b := e.of(x.TrueResult), e.of(x.FalseResult)
		return cost{math.Max(a.size, b.size), math.Max(a.n, b.n), math.Max(a.item, b.item)}
	case *hclsyntax.BinaryOpExpr:
		return e.binary(x)
	case *hclsyntax.UnaryOpExpr:
		return e.of(x.Val)
	case *hclsyntax.ScopeTraversalExpr:
		return e.name(x.Traversal)
	case *hclsyntax.RelativeTraversalExpr:
		return e.part(e.of(x.Source))
	case *hclsyntax.IndexExpr:
		e.work += e.of(x.Key).size
		return e.part(e.of(x.Collection))
	case *hclsyntax.SplatExpr:
		source := e.of(x.Source)
		n := math.Max(source.n, 1)
		e.anon = append(e.anon, e.part(source))
		each := e.of(x.Each)
		e.anon = e.anon[:len(e.anon)-1]
		return cost{n * (each.size + 8), n, each.size}
	case *hclsyntax.AnonSymbolExpr:
		if len(e.anon) > 0 {
			return e.anon[len(e.anon)-1]
		}
		return cost{size: 8}
	case *hclsyntax.ForExpr:
		return e.loop(x)
	case *hclsyntax.FunctionCallExpr:
		return e.call(x)
	default:
		return cost{size: maxCost + 1} // what we do not know
	}
}

// text is a string of that size: as a list it has at most so many items.
func text(size float64) cost { return cost{size: size, n: size, item: size} }

func (e *estimate) sum(list []hclsyntax.Expression) cost {
	c := cost{n: float64(len(list))}
	for _, x := range list {
		size := e.of(x).size + 8
		c.size += size
		c.item = math.Max(c.item, size)
	}
	return c
}

// part is some part of a value.
func (e *estimate) part(c cost) cost {
	if c.n == 0 {
		return c
	}
	return cost{c.item, c.item / 8, c.item}
}

func (e *estimate) name(t hcl.Traversal) cost {
	for _, v := range slices.Backward(e.vars) {
		if v.name == t.RootName() {
			return v.cost
		}
	}
	name, ok := explain.LocalName(t)
	if local, known := e.f.ctx.Variables["local"]; known && ok && local.Type().HasAttribute(name) {
		c := sizeOf(local.GetAttr(name))
		if len(t) > 2 {
			return e.part(c)
		}
		return c
	}
	if t.RootName() == "local" {
		return sizeOf(e.f.ctx.Variables["local"])
	}
	return cost{size: 8}
}

func (e *estimate) binary(x *hclsyntax.BinaryOpExpr) cost {
	a, b := e.of(x.LHS).size, e.of(x.RHS).size
	switch x.Op {
	case hclsyntax.OpMultiply, hclsyntax.OpDivide:
		return cost{size: a + b + 170} // 512 bits are up to 155 digits
	case hclsyntax.OpAdd, hclsyntax.OpSubtract, hclsyntax.OpModulo:
		return cost{size: math.Max(a, b) + 170}
	default:
		e.work += a + b
		return cost{size: 8}
	}
}

func (e *estimate) loop(x *hclsyntax.ForExpr) cost {
	coll := e.of(x.CollExpr)
	n := coll.n
	item := e.part(coll)
	scope := len(e.vars)
	e.vars = append(e.vars, scoped{x.ValVar, item})
	if x.KeyVar != "" {
		e.vars = append(e.vars, scoped{x.KeyVar, text(math.Max(item.size, 24))})
	}
	before := e.work
	size := e.of(x.ValExpr).size + 16
	if x.KeyExpr != nil {
		size += e.of(x.KeyExpr).size
	}
	if x.CondExpr != nil {
		e.work += e.of(x.CondExpr).size
	}
	e.vars = e.vars[:scope]
	e.work = before + n*(e.work-before)
	return cost{n * size, n, size}
}

// call bounds the functions of the language.
func (e *estimate) call(x *hclsyntax.FunctionCallExpr) cost {
	args := make([]cost, len(x.Args))
	all := cost{}
	for i, a := range x.Args {
		args[i] = e.of(a)
		all.size += args[i].size
		all.n += args[i].n
		all.item = math.Max(all.item, args[i].item)
	}
	first := 0.0
	if len(args) > 0 {
		first = args[0].size
	}
	switch x.Name {
	case "env":
		return text(4096 + all.size)
	case "file":
		return text(64 << 10)
	case "num_cpus":
		return cost{size: 8}
	case "sensitive", "coalesce":
		return all
	case "lower", "upper", "trimspace":
		return text(3 * all.size)
	case "split":
		return cost{9 * all.size, all.size + 1, all.size}
	case "join":
		return text(all.size + first*all.n)
	case "format":
		return text(first*64 + first*(all.size-first)/2 + all.size)
	case "jsonencode":
		return text(6 * all.size)
	case "jsondecode":
		return cost{16 * all.size, all.size, 16 * all.size}
	default: // concat, merge
		return cost{all.size + 8*all.n, all.n, all.item}
	}
}

// sizeOf is the size of a value that is there.
func sizeOf(v cty.Value) cost {
	v, _ = v.Unmark()
	switch {
	case v == cty.NilVal || !v.IsKnown() || v.IsNull():
		return cost{size: 8}
	case v.Type() == cty.String:
		s := v.AsString()
		if len(s) < maxDigits && strings.ContainsAny(s, "eE") {
			// A string that is a number becomes one where one is wanted.
			if f, _, err := big.ParseFloat(s, 10, 64, big.ToNearestEven); err == nil {
				return text(digitsOf(f))
			}
		}
		return text(float64(len(s)) + 8)
	case v.Type() == cty.Number:
		return cost{size: digitsOf(v.AsBigFloat())}
	case v.CanIterateElements():
		c := cost{size: 8}
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			size := sizeOf(e).size + 16
			if k.Type() == cty.String {
				size += float64(len(k.AsString()))
			}
			c.size += size
			c.n++
			c.item = math.Max(c.item, size)
		}
		return c
	default:
		return cost{size: 8}
	}
}

// digitsOf bounds the length of a number as text: a digit for each power of ten.
func digitsOf(f *big.Float) float64 {
	if f.IsInf() {
		return maxCost + 1
	}
	return 170 + math.Abs(float64(f.MantExp(nil)))*0.302
}
