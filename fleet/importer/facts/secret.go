package facts

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Where a text may hold a secret: behind the name of one, as NAME=VALUE or --name VALUE,
// and in an address with a password.
const quotedOrPlain = `("[^"]*"|'[^']*'|[^\s"']*[^\s"';:])`

var (
	assigned = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`([\w.-]+)\s*=\s*` + quotedOrPlain) })
	optional = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?:^|[\s"'])(--?[\w-]+)\s+` + quotedOrPlain) })
	fileName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)(file|path|dir|loadcredential)$`) })
	address  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[a-zA-Z][\w+.-]*://[^\s/@:"']*:([^\s@"']+)@`) })
)

// Span is a part of a text, in bytes.
type Span struct{ From, To int }

// SecretsIn are the parts of a line or of an argument that look like secrets, in their
// order. What it takes for one in vain is only printed less.
func SecretsIn(text string) []Span {
	var all []Span
	add := func(from, to int) {
		if to-from >= 2 && strings.ContainsRune(`"'`, rune(text[from])) {
			from, to = from+1, to-1
		}
		if from < to {
			all = append(all, Span{from, to})
		}
	}
	for _, pattern := range []*regexp.Regexp{assigned(), optional()} {
		for at := 0; ; {
			m := pattern.FindStringSubmatchIndex(text[at:])
			if m == nil {
				break
			}
			if name, value := text[at+m[2]:at+m[3]], text[at+m[4]:at+m[5]]; givesAway(name, value) {
				add(at+m[4], at+m[5])
			}
			at += m[4] // a value may be a name too: env = PASSWORD=x
		}
	}
	for _, m := range address().FindAllStringSubmatchIndex(text, -1) {
		add(m[2], m[3])
	}
	slices.SortFunc(all, func(a, b Span) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(b.To, a.To)) })
	// Of two that overlap the first one, which is the longer one.
	end := 0
	return slices.DeleteFunc(all, func(s Span) bool {
		inside := s.From < end
		end = max(end, s.To)
		return inside
	})
}

// IsSecretOption tells whether the argument behind this one is a secret.
func IsSecretOption(option, value string) bool {
	return strings.HasPrefix(option, "-") && !strings.Contains(option, "=") && givesAway(option, value)
}

// givesAway tells whether a name gives its value away as a secret. The name of a file is
// none, and neither are another option and a yes or no.
func givesAway(name, value string) bool {
	name = strings.TrimLeft(name, "-")
	isFile := fileName().MatchString(name) || strings.HasPrefix(value, "/")
	isSwitch := slices.Contains([]string{"yes", "no", "true", "false", "on", "off", "0", "1"}, strings.ToLower(value))
	return IsSecretName(name) && !isFile && !isSwitch && !strings.HasPrefix(value, "-") && !strings.HasPrefix(value, "$")
}

// HideSecrets is a text without what looks like a secret in it.
func HideSecrets(text string) string {
	var b strings.Builder
	at := 0
	for _, s := range SecretsIn(text) {
		b.WriteString(text[at:s.From] + "…")
		at = s.To
	}
	return b.String() + text[at:]
}
