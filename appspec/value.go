package appspec

import (
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// SensitiveText stands for every value that must not be printed.
const SensitiveText = "(sensitive)"

// FieldText writes a field of a spec, as Attribute.Field returns it, as the HCL
// expression that gives it; "" for nil, for an empty string and for what means
// "not set". The caller sees to secrets.
func FieldText(field any) string {
	switch v := field.(type) {
	case nil:
		return ""
	case *string:
		if *v == "" {
			return ""
		}
		return Quote(*v)
	case *bool:
		return strconv.FormatBool(*v)
	case **bool:
		if *v == nil {
			return ""
		}
		return strconv.FormatBool(**v)
	case *int:
		return strconv.Itoa(*v)
	case *uint32:
		return fmt.Sprintf(`"%04o"`, *v)
	case *uint64:
		return strconv.FormatUint(*v, 10)
	case *float64:
		return strconv.FormatFloat(*v, 'f', -1, 64)
	case *Duration:
		return Quote(DurationText(time.Duration(*v)))
	case *Size:
		return Quote(v.String())
	case *[]string:
		var b strings.Builder
		b.WriteByte('[')
		for i, s := range *v {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(Quote(s))
		}
		b.WriteByte(']')
		return b.String()
	case *map[string]string:
		m := make(map[string]any, len(*v))
		for k, s := range *v {
			m[k] = s
		}
		return objectText(m)
	case *map[string]any:
		return objectText(*v)
	default:
		return ValueText(field)
	}
}

// ValueText writes a value of Django.Overrides as HCL.
func ValueText(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return Quote(v)
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return v.String()
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = ValueText(e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		return objectText(v)
	default: // ints and floats of a spec that was made in Go
		return fmt.Sprint(v)
	}
}

func objectText(m map[string]any) string {
	if len(m) == 0 {
		return "{}"
	}
	parts := make([]string, 0, len(m))
	for _, k := range sortedKeys(m) {
		parts = append(parts, KeyText(k)+" = "+ValueText(m[k]))
	}
	return "{ " + strings.Join(parts, ", ") + " }"
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// KeyText writes a key of a map as HCL.
func KeyText(k string) string {
	if isName(k) && k != "null" && k != "true" && k != "false" && k != "for" {
		return k
	}
	return Quote(k)
}

// KeyPath adds a key of a map to the path of its attribute.
func KeyPath(path, key string) string {
	if isName(key) {
		return path + "." + key
	}
	return path + "[" + Quote(key) + "]"
}

// isName tells whether s can stand in HCL without quotes.
func isName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '_', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case i > 0 && (c == '-' || '0' <= c && c <= '9'):
		default:
			return false
		}
	}
	return s != ""
}

// Quote writes a string as an HCL string literal on one line. Bytes that are no
// UTF-8 and control characters, which the language does not take, come out
// escaped as well, so that the text is safe to print on a terminal.
func Quote(s string) string {
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte('"')
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case (r == '$' || r == '%') && i+1 < len(s) && s[i+1] == '{':
			b.WriteRune(r)
			b.WriteRune(r)
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case strconv.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08X`, r)
		default:
			fmt.Fprintf(&b, `\u%04X`, r)
		}
		i += n
	}
	b.WriteByte('"')
	return b.String()
}
