package explain

import (
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// Expressions is what an expression may name, and what of its file may be shown.
type Expressions struct {
	Text      func(hcl.Range) string // of the source; empty where it is not to be shown
	Secret    func(hcl.Range) bool   // whether a secret lies within
	Locals    func() []string        // of the file, sorted
	Functions map[string]function.Function
	Calls     []Call
}

// Call is a function of the language, with how it is called.
type Call struct{ Name, Form string }

// Explain turns what the library says of an expression into our words. The
// expressions come off the diagnostics: with them a writer could print values.
func (e *Expressions) Explain(whole hcl.Expression, diags hcl.Diagnostics) hcl.Diagnostics {
	var out hcl.Diagnostics
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		subject := whole.Range()
		if d.Subject != nil {
			subject = *d.Subject
		}
		var own *hcl.Diagnostic
		switch x := d.Expression.(type) {
		case *hclsyntax.ScopeTraversalExpr:
			own = e.Name(x, whole)
		case *hclsyntax.FunctionCallExpr:
			own = e.Call(x, d)
		default:
			if extra, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d); ok {
				own = Problem(subject, callText(extra), d.Detail)
				if err := extra.FunctionCallError(); err != nil {
					own.Detail = err.Error()
				}
			}
		}
		if own == nil {
			own = Problem(subject, lowerFirst(d.Summary), lowerFirst(d.Detail))
		}
		out = append(out, own)
	}
	return out
}

func lowerFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if second, _ := utf8.DecodeRuneInString(s[n:]); unicode.IsUpper(second) {
		return s
	}
	return strings.TrimSuffix(string(unicode.ToLower(r))+s[n:], ".")
}

// words that other languages have for true, false and null.
var wordsFor = map[string]string{
	"True": "true", "TRUE": "true", "yes": "true", "Yes": "true", "YES": "true", "on": "true", "On": "true", "ON": "true",
	"False": "false", "FALSE": "false", "no": "false", "No": "false", "NO": "false", "off": "false", "Off": "false", "OFF": "false",
	"None": "null", "NULL": "null", "nil": "null", "Null": "null",
}

// Name explains a name that means nothing: a string without quotes, a
// local that is not there, a word of another language.
func (e *Expressions) Name(x *hclsyntax.ScopeTraversalExpr, whole hcl.Expression) *hcl.Diagnostic {
	rng := x.SrcRange
	text := e.Text(rng)
	root := x.Traversal.RootName()
	if text == "" {
		text = root
	}
	if root != "local" && e.Secret(rng) {
		return Problem(rng, "the value in sensitive() is not in quotes", "write text in quotes, and a local as local.NAME")
	}
	switch word := wordsFor[text]; {
	case root == "local" && len(x.Traversal) == 1:
		return Problem(rng, "local alone is no value", "write local.NAME with the name of a local")
	case root == "local":
		name, _ := LocalName(x.Traversal)
		names := e.Locals()
		switch near := appspec.Nearest(name, names); {
		case slices.Contains(names, name): // the fault is further down
			return nil
		case len(names) == 0:
			return Problem(rng, "there is no local "+appspec.Quote(name)+": this file has no locals", "write: locals { "+appspec.KeyText(name)+" = … } at the top of this file")
		case near != "":
			return Problem(rng, "there is no local "+appspec.Quote(name)+" in this file", "did you mean local."+near+"?")
		default:
			return Problem(rng, "there is no local "+appspec.Quote(name)+" in this file", "its locals are: "+strings.Join(names, ", "))
		}
	case root == "locals":
		return Problem(rng, "unknown name "+appspec.Quote(text), "write: local"+strings.TrimPrefix(text, "locals"))
	case word != "":
		return Problem(rng, "unknown name "+appspec.Quote(text), "write: "+word)
	case root == "env" || root == "ENV":
		if len(x.Traversal) == 2 {
			if step, ok := x.Traversal[1].(hcl.TraverseAttr); ok {
				return Problem(rng, "unknown name "+appspec.Quote(text), "write: env("+appspec.Quote(step.Name)+")")
			}
		}
	}
	if len(x.Traversal) == 1 && len(text) > 1 && text == strings.ToUpper(text) && whole.Range() != rng {
		return Problem(rng, "unknown name "+appspec.Quote(text), "a variable of the environment is env("+appspec.Quote(text)+"), a local is local.NAME")
	}
	if whole.Range() == rng {
		return Problem(rng, "the value "+text+" is not in quotes", "write it in quotes: "+appspec.Quote(text))
	}
	return Problem(rng, "unknown name "+appspec.Quote(text), "write text in quotes, as "+appspec.Quote(text)+", and a local as local.NAME")
}

// callText says which function failed.
func callText(extra hclsyntax.FunctionCallDiagExtra) string {
	return "cannot call " + extra.CalledFunctionName() + "()"
}

// Call explains a call that failed, or that cannot be.
func (e *Expressions) Call(x *hclsyntax.FunctionCallExpr, d *hcl.Diagnostic) *hcl.Diagnostic {
	fn, known := e.Functions[x.Name]
	if !known {
		var names []string
		for _, fn := range e.Calls {
			names = append(names, fn.Name)
		}
		if near := appspec.Nearest(x.Name, names); near != "" {
			return Problem(x.NameRange, "unknown function "+appspec.Quote(x.Name), "did you mean "+e.form(near)+"?")
		}
		return Problem(x.NameRange, "unknown function "+appspec.Quote(x.Name), "the functions are: "+strings.Join(names, ", "))
	}
	least := len(fn.Params())
	if n := len(x.Args); !x.ExpandFinal && (n < least || n > least && fn.VarParam() == nil) {
		what := "too few arguments"
		if n > least {
			what = "too many arguments"
		}
		return Problem(x.Range(), what+" for "+x.Name+"()", "write: "+e.form(x.Name))
	}
	extra, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d)
	if !ok || extra.FunctionCallError() == nil {
		return nil
	}
	rng, err := x.Range(), extra.FunctionCallError()
	var arg function.ArgError
	if errors.As(err, &arg) && arg.Index < len(x.Args) {
		rng = x.Args[arg.Index].Range()
	}
	return Problem(rng, "cannot call "+x.Name+"(): "+err.Error(), "write: "+e.form(x.Name))
}

// form is how a function is called.
func (e *Expressions) form(name string) string {
	for _, c := range e.Calls {
		if c.Name == name {
			return c.Form
		}
	}
	return name + "(…)"
}

// Plain writes what a parser says as we write: errors alone, in small letters, without a
// period.
func Plain(diags hcl.Diagnostics) hcl.Diagnostics {
	var out hcl.Diagnostics
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			out = append(out, &hcl.Diagnostic{Severity: d.Severity, Summary: lowerFirst(d.Summary), Detail: lowerFirst(d.Detail), Subject: d.Subject})
		}
	}
	return out
}

// LocalName is NAME where a traversal starts with local.NAME.
func LocalName(t hcl.Traversal) (string, bool) {
	if t.IsRelative() || t.RootName() != "local" || len(t) < 2 {
		return "", false
	}
	switch step := t[1].(type) {
	case hcl.TraverseAttr:
		return step.Name, true
	case hcl.TraverseIndex:
		if step.Key.Type() == cty.String && step.Key.IsKnown() && !step.Key.IsNull() {
			return step.Key.AsString(), true
		}
	}
	return "", false
}
