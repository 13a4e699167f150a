package hclspec

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"golang.org/x/text/unicode/norm"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// HCL brings every string into Unicode's form NFC (hcl/v2 2.25.0 with go-cty
// 1.19.0): a letter and its accent become one character. A password or the name of
// a folder would not be what is written, so such text is refused where it stands.
const composedAdvice = "write the letter and its accent as one character; for a value that must keep its bytes let the app read it from a file itself, for a folder make a link with another name"

// composed finds strings of the file that HCL would change.
func (f *file) composed() {
	if norm.NFC.IsNormal(f.src) {
		return
	}
	report := func(rng hcl.Range, text []byte) {
		if at := decomposed(text); at >= 0 {
			rng = explain.RangeAt(f.path, f.src, rng.Start.Byte+at)
			f.fault(rng, "the text is not in Unicode's form NFC, and HCL would change it", composedAdvice)
		}
	}
	if f.isJSON() {
		report(hcl.Range{}, f.src)
		return
	}
	tokens, _ := hclsyntax.LexConfig(f.src, f.path, hcl.InitialPos)
	for _, t := range tokens {
		if t.Type == hclsyntax.TokenQuotedLit || t.Type == hclsyntax.TokenStringLit {
			report(t.Range, t.Bytes)
		}
	}
}

// decomposed is the offset of the first character that HCL would change, -1 for
// none.
func decomposed(text []byte) int {
	if at, whole := norm.NFC.QuickSpan(text), norm.NFC.IsNormal(text); !whole {
		return min(at, len(text)-1)
	}
	return -1
}

// unchanged is an error for text from elsewhere that HCL would change.
func unchanged(text string) error {
	if at := decomposed([]byte(text)); at >= 0 {
		return fmt.Errorf("its text is not in Unicode's form NFC at byte %d, and HCL would change it: %s", at, composedAdvice)
	}
	return nil
}
