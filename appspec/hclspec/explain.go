package hclspec

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// explain turns what the library says of an expression into our words. The
// expressions come off the diagnostics: with them a writer could print values.
func (f *file) explain(whole hcl.Expression, diags hcl.Diagnostics) hcl.Diagnostics {
	var out hcl.Diagnostics
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		subject := whole.Range()
		if d.Subject != nil {
			subject = *d.Subject
		}
		var e *hcl.Diagnostic
		switch x := d.Expression.(type) {
		case *hclsyntax.ScopeTraversalExpr:
			e = f.explainName(x, whole)
		case *hclsyntax.FunctionCallExpr:
			e = f.explainCall(x, d)
		default:
			if extra, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d); ok {
				e = problem(subject, callText(extra), d.Detail)
				if err := extra.FunctionCallError(); err != nil {
					e.Detail = err.Error()
				}
			}
		}
		if e == nil {
			e = problem(subject, lowerFirst(d.Summary), lowerFirst(d.Detail))
		}
		out = append(out, e)
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

// explainName explains a name that means nothing: a string without quotes, a
// local that is not there, a word of another language.
func (f *file) explainName(x *hclsyntax.ScopeTraversalExpr, whole hcl.Expression) *hcl.Diagnostic {
	rng := x.SrcRange
	text := f.text(rng)
	root := x.Traversal.RootName()
	if text == "" {
		text = root
	}
	if root != "local" && f.secret(rng) {
		return problem(rng, "the value in sensitive() is not in quotes", "write text in quotes, and a local as local.NAME")
	}
	switch word := wordsFor[text]; {
	case root == "local" && len(x.Traversal) == 1:
		return problem(rng, "local alone is no value", "write local.NAME with the name of a local")
	case root == "local":
		name, _ := localName(x.Traversal)
		names := f.localNames()
		switch near := appspec.Nearest(name, names); {
		case f.hasLocal(name): // the fault is further down
			return nil
		case len(names) == 0:
			return problem(rng, "there is no local "+appspec.Quote(name)+": this file has no locals", "write: locals { "+appspec.KeyText(name)+" = … } at the top of this file")
		case near != "":
			return problem(rng, "there is no local "+appspec.Quote(name)+" in this file", "did you mean local."+near+"?")
		default:
			return problem(rng, "there is no local "+appspec.Quote(name)+" in this file", "its locals are: "+strings.Join(names, ", "))
		}
	case root == "locals":
		return problem(rng, "unknown name "+appspec.Quote(text), "write: local"+strings.TrimPrefix(text, "locals"))
	case word != "":
		return problem(rng, "unknown name "+appspec.Quote(text), "write: "+word)
	case root == "env" || root == "ENV":
		if len(x.Traversal) == 2 {
			if step, ok := x.Traversal[1].(hcl.TraverseAttr); ok {
				return problem(rng, "unknown name "+appspec.Quote(text), "write: env("+appspec.Quote(step.Name)+")")
			}
		}
	}
	if len(x.Traversal) == 1 && len(text) > 1 && text == strings.ToUpper(text) && whole.Range() != rng {
		return problem(rng, "unknown name "+appspec.Quote(text), "a variable of the environment is env("+appspec.Quote(text)+"), a local is local.NAME")
	}
	if whole.Range() == rng {
		return problem(rng, "the value "+text+" is not in quotes", "write it in quotes: "+appspec.Quote(text))
	}
	return problem(rng, "unknown name "+appspec.Quote(text), "write text in quotes, as "+appspec.Quote(text)+", and a local as local.NAME")
}

// text is the source of a range where it is on one line.
func (f *file) text(rng hcl.Range) string {
	if rng.Start.Byte < 0 || rng.End.Byte > len(f.src) || rng.Start.Byte >= rng.End.Byte || f.isJSON() {
		return ""
	}
	text := string(f.src[rng.Start.Byte:rng.End.Byte])
	if strings.ContainsRune(text, '\n') || len(text) > 80 || f.secret(rng) {
		return ""
	}
	return text
}

// secret tells whether a secret lies within a range of the source.
func (f *file) secret(rng hcl.Range) bool {
	if !f.masked {
		f.masks, f.masked = secretSpans(f.src), true
	}
	return meets(f.masks, rng.Start.Byte, rng.End.Byte)
}

func (f *file) localNames() []string { return slices.Sorted(maps.Keys(f.localDefs)) }

func (f *file) hasLocal(name string) bool { return f.localDefs[name] != nil }

// callText says which function failed.
func callText(extra hclsyntax.FunctionCallDiagExtra) string {
	return "cannot call " + extra.CalledFunctionName() + "()"
}

// explainCall explains a call that failed, or that cannot be.
func (f *file) explainCall(x *hclsyntax.FunctionCallExpr, d *hcl.Diagnostic) *hcl.Diagnostic {
	fn, known := f.ctx.Functions[x.Name]
	if !known {
		var names []string
		for _, fn := range functionNames {
			names = append(names, fn.name)
		}
		if near := appspec.Nearest(x.Name, names); near != "" {
			return problem(x.NameRange, "unknown function "+appspec.Quote(x.Name), "did you mean "+callForm(near)+"?")
		}
		return problem(x.NameRange, "unknown function "+appspec.Quote(x.Name), "the functions are: "+strings.Join(names, ", "))
	}
	least := len(fn.Params())
	if n := len(x.Args); !x.ExpandFinal && (n < least || n > least && fn.VarParam() == nil) {
		what := "too few arguments"
		if n > least {
			what = "too many arguments"
		}
		return problem(x.Range(), what+" for "+x.Name+"()", "write: "+callForm(x.Name))
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
	return problem(rng, "cannot call "+x.Name+"(): "+err.Error(), "write: "+callForm(x.Name))
}

// callForm is how a function is called.
func callForm(name string) string {
	for _, f := range functionNames {
		if f.name == name {
			return f.call
		}
	}
	return name + "(…)"
}

// explainJSON turns what the JSON syntax says into our words.
func explainJSON(diags hcl.Diagnostics) hcl.Diagnostics {
	var out hcl.Diagnostics
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			out = append(out, &hcl.Diagnostic{Severity: d.Severity, Summary: lowerFirst(d.Summary), Detail: lowerFirst(d.Detail), Subject: d.Subject})
		}
	}
	return out
}
