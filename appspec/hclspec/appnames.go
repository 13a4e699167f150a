package hclspec

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
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
		if len(b.Labels) == 0 {
			continue
		}
		_, inner, _ := f.section(b.Body, []string{explain.EnvironmentBlock})
		n := len(names)
		for _, in := range inner {
			if in.Type == explain.EnvironmentBlock && len(in.Labels) > 0 {
				add(appspec.EnvironmentName(b.Labels[0], in.Labels[0]))
			}
		}
		if len(names) == n {
			add(b.Labels[0])
		}
	}
	if f.gate != nil || f.parsedNot() && mayHoldGate(f.src) {
		names = append(names, appspec.GateName)
	}
	switch {
	case f.src == nil || len(f.apps) > 0 || f.unshaped:
	case f.isJSON():
		jsonApps(f.src, add)
	default:
		nativeApps(f.src, add)
	}
	return names
}

// nativeApps looks for app "NAME" or app NAME, and for environment "NAME" behind
// it.
func nativeApps(src []byte, add func(string)) {
	tokens, _ := hclsyntax.LexConfig(src, "", hcl.InitialPos)
	app, alone := "", false
	for i := 0; i+2 < len(tokens); i++ {
		t := tokens[i:]
		word := string(t[0].Bytes)
		if t[0].Type != hclsyntax.TokenIdent || word != "app" && word != explain.EnvironmentBlock {
			continue
		}
		label := ""
		switch {
		case t[1].Type == hclsyntax.TokenIdent:
			label = string(t[1].Bytes)
		case t[1].Type == hclsyntax.TokenOQuote && t[2].Type == hclsyntax.TokenQuotedLit:
			label = string(t[2].Bytes)
		}
		switch {
		case label == "":
		case word == "app":
			if alone {
				add(app)
			}
			app, alone = label, true
		case app != "":
			add(appspec.EnvironmentName(app, label))
			alone = false
		}
	}
	if alone {
		add(app)
	}
}

// jsonApps looks for the names inside of "app": { … }, and of "environment": { … }
// inside of one of those.
func jsonApps(src []byte, add func(string)) {
	depth, inside := 0, -1
	app, alone := "", false // the app that is being read
	environments := -1      // the depth of their names
	last := func() {
		if alone {
			add(app)
		}
		app, alone = "", false
	}
	for i := 0; i < len(src); i++ {
		switch src[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < inside {
				inside = -1
			}
			if depth < environments {
				environments = -1
			}
		case '"':
			end := explain.StringEnd(src, i+1, []byte{'"'})
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
				last()
				app, alone = key, true
			case depth == inside+1 && key == explain.EnvironmentBlock:
				environments = depth + 1
			case environments >= 0 && depth == environments:
				add(appspec.EnvironmentName(app, key))
				alone = false
			}
		}
	}
	last()
}
