package checkout

import "strings"

// gitConfig reads the text of a git configuration as git does, without what it includes:
// the last value of each key, by section.subsection.key, of which the subsection alone
// is as it is written. ok is false where git would not read it.
func gitConfig(text string) (values map[string]string, ok bool) {
	values = map[string]string{}
	section := ""
	for rest := text; rest != ""; {
		rest = strings.TrimLeft(rest, " \t\r\n")
		switch {
		case rest == "":
		case rest[0] == '#' || rest[0] == ';':
			_, rest, _ = strings.Cut(rest, "\n")
		case rest[0] == '[':
			if section, rest, ok = gitSection(rest[1:]); !ok {
				return nil, false
			}
		default:
			end := 0
			for end < len(rest) && (isLetter(rest[end]) || end > 0 && (rest[end] >= '0' && rest[end] <= '9' || rest[end] == '-')) {
				end++
			}
			if end == 0 {
				return nil, false
			}
			key := strings.TrimPrefix(section+"."+strings.ToLower(rest[:end]), ".")
			rest = strings.TrimLeft(rest[end:], " \t")
			values[key] = ""
			switch {
			case rest == "" || rest[0] == '\n' || strings.HasPrefix(rest, "\r\n"): // a switch that is on
			case rest[0] != '=':
				return nil, false
			default:
				if values[key], rest, ok = gitValue(rest[1:]); !ok {
					return nil, false
				}
			}
		}
	}
	return values, true
}

func isLetter(b byte) bool { return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' }

// gitSection reads [name], [name.sub] and [name "sub"] from behind the bracket on.
func gitSection(text string) (section, rest string, ok bool) {
	end := 0
	for end < len(text) && (isLetter(text[end]) || text[end] >= '0' && text[end] <= '9' || text[end] == '-' || text[end] == '.') {
		end++
	}
	section = strings.ToLower(text[:end])
	rest = strings.TrimLeft(text[end:], " \t")
	if section == "" || rest == "" {
		return "", "", false
	}
	if rest[0] == ']' && len(rest) == len(text)-end {
		return section, rest[1:], true
	}
	if rest[0] != '"' || len(rest) == len(text)-end {
		return "", "", false
	}
	var sub strings.Builder
	for i := 1; i < len(rest) && rest[i] != '\n'; i++ {
		switch {
		case rest[i] == '"':
			if !strings.HasPrefix(rest[i+1:], "]") {
				return "", "", false
			}
			return section + "." + sub.String(), rest[i+2:], true
		case rest[i] == '\\' && i+1 < len(rest):
			if i++; rest[i] == '\n' {
				return "", "", false
			}
		}
		sub.WriteByte(rest[i])
	}
	return "", "", false
}

// gitValue reads a value from behind its = on: blanks around it are none of it, a comment
// ends it, quotes keep both, and a backslash before the end of the line joins the next.
func gitValue(text string) (value, rest string, ok bool) {
	var b strings.Builder
	quoted, blanks := false, ""
	text = strings.ReplaceAll(text, "\r\n", "\n")
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\n':
			return b.String(), text[i+1:], !quoted
		case !quoted && (c == ' ' || c == '\t'):
			if b.Len() > 0 {
				blanks += string(c)
			}
			continue
		case !quoted && (c == '#' || c == ';'):
			_, rest, _ = strings.Cut(text[i:], "\n")
			return b.String(), rest, true
		}
		b.WriteString(blanks)
		blanks = ""
		switch c {
		case '"':
			quoted = !quoted
		case '\\':
			if i++; i == len(text) {
				return "", "", false
			}
			switch text[i] {
			case '\n':
			case 't':
				b.WriteByte('\t')
			case 'n':
				b.WriteByte('\n')
			case 'b':
				b.WriteByte('\b')
			case '\\', '"':
				b.WriteByte(text[i])
			default:
				return "", "", false
			}
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), "", !quoted
}
