package appspec

import (
	"github.com/hashicorp/hcl/v2"
)

// explain turns what the library says of an expression into our words.
func explain(_ hcl.Expression, _ *hcl.EvalContext, diags hcl.Diagnostics) hcl.Diagnostics {
	return strip(diags)
}

// explainSyntax turns what the parser says of a file into our words.
func explainSyntax(_ *file, diags hcl.Diagnostics) hcl.Diagnostics { return strip(diags) }

// explainJSON turns what the JSON syntax says of a body into our words.
func explainJSON(diags hcl.Diagnostics) hcl.Diagnostics { return strip(diags) }

// strip takes the expressions off diagnostics: with them a writer could print
// values.
func strip(diags hcl.Diagnostics) hcl.Diagnostics {
	var out hcl.Diagnostics
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			out = append(out, &hcl.Diagnostic{Severity: d.Severity, Summary: d.Summary, Detail: d.Detail, Subject: d.Subject})
		}
	}
	return out
}
