package hclspec

import (
	"bytes"
	"regexp"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

var (
	// A dollar before a value, as who doubles dollars writes it.
	dollarAndValue = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\${3,}\{`) })
	// The hash of a password with its dollars doubled, as a file of Compose wants it.
	doubledHash = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`\$\$(?:1|5|6|7|y|gy|2[abxy]|apr1|argon2[a-z]*|pbkdf2[a-z0-9-]*|scrypt)\$\$`)
	})
)

// dollars warns of dollars that are doubled, as make, Compose and systemd want it: to HCL
// (2.25.0) two are two but right before a brace (findings/hcl-two-dollars-are-two.sh). One
// warning a text.
func dollars(path string, src []byte) hcl.Diagnostics {
	if strings.HasSuffix(path, ".json") || !bytes.Contains(src, []byte("$$")) {
		return nil
	}
	tokens, _ := hclsyntax.LexConfig(src, path, hcl.InitialPos) // it was parsed: nothing is wrong with it
	var (
		found hcl.Diagnostics
		text  []byte // what the tokens hold that stand for one text: HCL cuts it at dollars
		at    hcl.Range
	)
	for _, t := range tokens {
		if t.Type == hclsyntax.TokenQuotedLit || t.Type == hclsyntax.TokenStringLit {
			if len(text) == 0 {
				at = t.Range
			}
			text, at.End = append(text, t.Bytes...), t.Range.End
			continue
		}
		switch {
		case dollarAndValue().Match(text):
			found = append(found, explain.Warning(at, "$${ is the text ${ here, also behind another dollar: nothing is filled in",
				`write a dollar before a value as ${"$"}${…}`))
		case doubledHash().Match(text):
			found = append(found, explain.Warning(at, "two dollars stay two here: it is another hash",
				"write each of them once: only $${ stands for something, the text ${"))
		}
		text = nil
	}
	return found
}
