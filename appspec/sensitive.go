package appspec

import (
	"fmt"
	"log/slog"
	"strings"
)

// IsSensitive tells whether the value at an attribute path must not be printed:
// the path itself, or one above it, went through sensitive() or file().
func (s *Spec) IsSensitive(path string) bool {
	if s == nil || len(s.Sensitive) == 0 {
		return false
	}
	if s.Sensitive[path] {
		return true
	}
	for i := len(path) - 1; i > 0; i-- {
		if (path[i] == '.' || path[i] == '[') && s.Sensitive[path[:i]] {
			return true
		}
	}
	return false
}

// Shown is a text that holds the value of a path, for people.
func (s *Spec) Shown(path, text string) string {
	if s.IsSensitive(path) {
		return SensitiveText
	}
	return text
}

// MarkSensitive sets or clears the mark of a path and forgets the marks below it.
func (s *Spec) MarkSensitive(path string, sensitive bool) {
	for p := range s.Sensitive {
		if strings.HasPrefix(p, path+".") || strings.HasPrefix(p, path+"[") {
			delete(s.Sensitive, p)
		}
	}
	delete(s.Sensitive, path)
	if sensitive {
		if s.Sensitive == nil {
			s.Sensitive = make(map[string]bool)
		}
		s.Sensitive[path] = true
	}
}

// String is the app as its differences from an app with only defaults, without
// secrets, on one line.
func (s Spec) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "app %s {", Quote(s.Name))
	for _, c := range Diff(nil, &s) {
		if c.New != "" {
			fmt.Fprintf(&b, " %s = %s;", c.Path, c.New)
		}
	}
	b.WriteString(" }")
	return b.String()
}

// Format keeps secrets out of every verb of package fmt.
func (s Spec) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// LogValue keeps secrets out of logs.
func (s Spec) LogValue() slog.Value { return slog.StringValue(s.String()) }

// String names the settings that are overridden and no values: a Django block
// alone does not know which of them are secrets.
func (d Django) String() string {
	return "django { overrides of " + strings.Join(sortedKeys(d.Overrides), ", ") + " }"
}

// Format keeps secrets out of every verb of package fmt.
func (d Django) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(d.String())) }

// LogValue keeps secrets out of logs.
func (d Django) LogValue() slog.Value { return slog.StringValue(d.String()) }
