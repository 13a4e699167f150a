package importer

import (
	"fmt"
	"maps"
	"regexp"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// member writes a value of a map: a secret one is in a file of its own.
func (w *specWriter) member(path, key string, v any) hclwrite.Tokens {
	if path == "env" && w.page.missing[key] {
		file := hclwrite.TokensForFunctionCall("file", hclwrite.TokensForValue(cty.StringVal(w.page.secretFile(key))))
		return hclwrite.TokensForFunctionCall("trimspace", file) // written by hand it has a new line at its end
	}
	path += "." + key
	text, isText := v.(string)
	hides := strings.HasPrefix(path, "env.") && len(facts.SecretsIn(text)) > 0
	if !isText || !hides && !w.page.secret(path, key) {
		tokens := w.value(path, v)
		if isText && strings.HasPrefix(path, "env.") && forShell().MatchString(text) {
			// Written plainly it would be refused, as of one who counts on a shell.
			tokens = hclwrite.TokensForFunctionCall("format", hclwrite.TokensForValue(cty.StringVal("%s")), tokens)
		}
		if w.page.secret(path, "") { // a secret number
			return hclwrite.TokensForFunctionCall("sensitive", tokens)
		}
		return tokens
	}
	return w.file(path, text)
}

// file puts a secret into a file of its own and names that.
func (w *specWriter) file(path, secret string) hclwrite.Tokens {
	return hclwrite.TokensForFunctionCall("file", hclwrite.TokensForValue(cty.StringVal(w.page.keep(path, secret))))
}

// argument writes one of a command, behind another one: what is secret in it is in files of
// its own.
func (w *specWriter) argument(path, before, text string) hclwrite.Tokens {
	path = strings.TrimSuffix(path, ".command")
	secrets := facts.SecretsIn(text)
	switch {
	case facts.IsSecretOption(before, text):
		return w.file(path, text)
	case len(secrets) == 0:
		return hclwrite.TokensForValue(cty.StringVal(text))
	}
	form, at := "", 0
	parts := make([]hclwrite.Tokens, 1, len(secrets)+1)
	for _, s := range secrets {
		form += strings.ReplaceAll(text[at:s.From], "%", "%%") + "%s"
		parts = append(parts, w.file(path, text[s.From:s.To]))
		at = s.To
	}
	parts[0] = hclwrite.TokensForValue(cty.StringVal(form + strings.ReplaceAll(text[at:], "%", "%%")))
	return hclwrite.TokensForFunctionCall("format", parts...)
}

var forShell = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(^|:)\$[A-Za-z_]`) })

var notInFile = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[^A-Za-z0-9_.-]+`) })

// keep notes a secret, and returns the file it belongs into.
func (p *page) keep(path, text string) string {
	path = strings.TrimPrefix(path, "env.")
	name := p.secretFile(path)
	for i := 2; ; i++ {
		old, taken := p.secrets[name]
		if !taken || old == text {
			break
		}
		name = fmt.Sprintf("%s-%d", name, i)
	}
	p.secrets[name] = text
	return name
}

// secretFile is the file of a secret by its name.
func (p *page) secretFile(name string) string {
	return "secrets/" + p.name + "/" + strings.TrimLeft(notInFile().ReplaceAllString(name, "-"), ".")
}

// withMissing are all files that the text names, those that the operator has to write with
// something in them.
func (p *page) withMissing() map[string]string {
	all := maps.Clone(p.secrets)
	for name := range p.missing {
		all[p.secretFile(name)] = "?"
	}
	return all
}
