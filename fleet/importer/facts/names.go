package facts

import (
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

var notInName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[^a-z0-9_-]+`) })

// AppNameOf makes an app's name of its folder's or file's.
func AppNameOf(path string) string {
	name := notInName().ReplaceAllString(strings.ToLower(filepath.Base(path)), "-")
	name = strings.Trim(name, "-_")
	if len(name) > 63 {
		name = strings.TrimRight(name[:63], "-_")
	}
	if name == "" {
		return "app"
	}
	return name
}

// secretName matches the names of settings and variables whose values are
// secret; what it matches in vain is only printed less.
var secretName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)(passw|passphrase|secret|token|credential|private|api_?key|access_?key|_key$|^key$|_dsn$|^dsn$|database_url)`)
})

// IsSecretName tells whether the name of a variable or a setting gives its value away
// as a secret.
func IsSecretName(name string) bool {
	return secretName().MatchString(strings.ReplaceAll(name, "-", "_"))
}

// Forms of an assignment to a variable, and of its use.
var (
	Assignment = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`) })
	Variable   = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`\$(?:\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|([A-Za-z_][A-Za-z0-9_]*))`)
	})
)
