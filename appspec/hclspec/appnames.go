package hclspec

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// appNames are the apps of a broken file, as far as it can be read: what its
// syntax tree still holds, or what looks like the start of an app block.
func appNames(f *file) []string {
	var names []string
	seen := make(map[string]bool)
	add := func(name string) {
		if appspec.ValidName(name) && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	for _, b := range f.apps {
		if len(b.Labels) > 0 {
			add(b.Labels[0])
		}
	}
	switch {
	case f.src == nil || len(names) > 0 || f.unshaped:
	case f.isJSON():
		jsonApps(f.src, add)
	default:
		nativeApps(f.src, add)
	}
	return names
}

// nativeApps looks for app "NAME" or app NAME.
func nativeApps(src []byte, add func(string)) {
	tokens, _ := hclsyntax.LexConfig(src, "", hcl.InitialPos)
	for i := 0; i+2 < len(tokens); i++ {
		t := tokens[i:]
		if t[0].Type != hclsyntax.TokenIdent || string(t[0].Bytes) != "app" {
			continue
		}
		switch {
		case t[1].Type == hclsyntax.TokenIdent:
			add(string(t[1].Bytes))
		case t[1].Type == hclsyntax.TokenOQuote && t[2].Type == hclsyntax.TokenQuotedLit:
			add(string(t[2].Bytes))
		}
	}
}

// jsonApps looks for the names inside of "app": { … }.
func jsonApps(src []byte, add func(string)) {
	depth, inside := 0, -1
	for i := 0; i < len(src); i++ {
		switch src[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < inside {
				inside = -1
			}
		case '"':
			end := stringEnd(src, i+1, []byte{'"'})
			key := string(src[min(i+1, end):min(end, len(src))])
			i = end
			next := i + 1
			for next < len(src) && (src[next] == ' ' || src[next] == '\t' || src[next] == '\n' || src[next] == '\r') {
				next++
			}
			if next >= len(src) || src[next] != ':' {
				continue
			}
			switch {
			case inside < 0 && key == "app":
				inside = depth + 1
			case depth == inside:
				add(key)
			}
		}
	}
}
