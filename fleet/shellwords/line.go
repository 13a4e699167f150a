package shellwords

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// ShellLine is what a shell makes of a line.
type ShellLine struct {
	// Commands are the simple commands in their order, each as its words, with the
	// variables put in: those out of quotes are cut at blanks, those in single quotes
	// are text.
	Commands [][]string
	// More tells that the line asks the shell for what these words do not say: more than
	// one command, or what Besides tells.
	More bool
	// Besides tells of the same, but for more than one command: a redirection, a pattern,
	// a substitution, a group, another process.
	Besides bool
	// Unknown are variables that the line uses and env has not; they are taken as empty.
	Unknown []string
}

// Line reads a command line as sh does, or the text of a script: what it sets counts from
// there on, and export of a variable that is set is a command with its value.
func Line(text string, env map[string]string) ShellLine {
	l := lineReader{text: text, env: maps.Clone(env)}
	if l.env == nil {
		l.env = map[string]string{}
	}
	for l.at < len(l.text) {
		l.sign()
	}
	l.endCommand()
	l.More = l.Besides || len(l.Commands) > 1
	return l.ShellLine
}

type lineReader struct {
	ShellLine
	text    string
	at      int
	env     map[string]string
	command []string
	word    strings.Builder
	in      bool // a word has begun, be it empty
	quoted  bool // a part of it was
	skip    bool // the next word is the file of a redirection
}

func (l *lineReader) put(text string) { l.word.WriteString(text); l.in = true }

func (l *lineReader) endWord() {
	if l.in && !l.skip {
		word := l.word.String()
		if len(l.command) == 0 && !l.quoted && reserved[word] {
			l.Besides = true
		}
		l.command = append(l.command, word)
	}
	l.skip = l.skip && !l.in
	l.word.Reset()
	l.in, l.quoted = false, false
}

func (l *lineReader) endCommand() {
	l.endWord()
	if len(l.command) > 0 {
		l.set()
		l.Commands = append(l.Commands, l.command)
	}
	l.command, l.skip = nil, false
}

// set takes the variables that a command sets, if it does nothing else.
func (l *lineReader) set() {
	words := l.command
	exports := words[0] == "export"
	if exports {
		words = words[1:]
	} else if slices.ContainsFunc(words, func(word string) bool { return !assigned().MatchString(word) }) {
		return
	}
	for i, word := range words {
		if value, known := l.env[word]; exports && known {
			words[i] = word + "=" + value
		}
		if name, value, _ := strings.Cut(word, "="); assigned().MatchString(word) {
			l.env[name] = value
		}
	}
}

// reserved are words with which something begins that is no simple command.
var reserved = map[string]bool{"if": true, "then": true, "else": true, "elif": true, "fi": true, "for": true, "do": true, "done": true, "while": true, "until": true,
	"case": true, "esac": true, "{": true, "}": true, "!": true}

// sign reads what begins at the next sign.
func (l *lineReader) sign() {
	c := l.text[l.at]
	l.at++
	switch {
	case c == ' ' || c == '\t':
		l.endWord()
	case c == '\n':
		l.endCommand()
	case c == '\'':
		end := strings.IndexByte(l.text[l.at:], '\'')
		if end < 0 {
			end = len(l.text) - l.at
		}
		l.put(l.text[l.at : l.at+end])
		l.at, l.quoted = min(l.at+end+1, len(l.text)), true
	case c == '"':
		l.double()
	case c == '\\' && l.at < len(l.text):
		if l.text[l.at] != '\n' {
			l.put(l.text[l.at : l.at+1])
			l.quoted = true
		}
		l.at++
	case c == '$' || c == '`':
		l.expansion(c, false)
	case c == '#' && !l.in && (l.at == 1 || strings.IndexByte(" \t\n;&|()", l.text[l.at-2]) >= 0):
		for l.at < len(l.text) && l.text[l.at] != '\n' {
			l.at++
		}
	case c == ';' || c == '&' || c == '|' || c == '(' || c == ')':
		switch two := (c == '&' || c == '|') && strings.HasPrefix(l.text[l.at:], string(c)); {
		case two:
			l.at++
		case c != ';': // behind the back, into another one, or in a shell of its own
			l.Besides = true
		}
		l.endCommand()
	case c == '<' || c == '>':
		if !l.quoted && strings.Trim(l.word.String(), "0123456789") == "" { // of which descriptor
			l.word.Reset()
			l.in = false
		}
		l.endWord()
		for l.at < len(l.text) && strings.IndexByte("<>&|-", l.text[l.at]) >= 0 {
			l.at++
		}
		l.Besides, l.skip = true, !strings.HasSuffix(l.text[:l.at], "&-")
	default:
		if strings.IndexByte("*?[", c) >= 0 || c == '~' && !l.in {
			l.Besides = true
		}
		l.put(l.text[l.at-1 : l.at])
	}
}

// double reads what stands in double quotes.
func (l *lineReader) double() {
	l.put("")
	l.quoted = true
	for l.at < len(l.text) {
		c := l.text[l.at]
		l.at++
		switch {
		case c == '"':
			return
		case c == '\\' && l.at < len(l.text) && strings.IndexByte("$`\"\\\n", l.text[l.at]) >= 0:
			if l.text[l.at] != '\n' {
				l.put(l.text[l.at : l.at+1])
			}
			l.at++
		case c == '$' || c == '`':
			l.expansion(c, true)
		default:
			l.put(l.text[l.at-1 : l.at])
		}
	}
}

var (
	plainVariable  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*`) })
	bracedVariable = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?-)([^}"'\x60$\\]*))?\}`)
	})
	assigned = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`) })
)

// expansion reads what a $ or a backquote begins; what is no variable stays as it is.
func (l *lineReader) expansion(sign byte, quoted bool) {
	rest := l.text[l.at:]
	if sign == '$' {
		if name := plainVariable().FindString(rest); name != "" {
			l.at += len(name)
			l.variable(name, "", "", quoted)
			return
		}
		if m := bracedVariable().FindStringSubmatch(rest); m != nil {
			l.at += len(m[0])
			l.variable(m[1], m[2], m[3], quoted)
			return
		}
	}
	end := 0 // of what only a shell can tell
	switch {
	case sign == '`':
		end = strings.IndexByte(rest, '`') + 1
	case strings.HasPrefix(rest, "("):
		end = closing(rest, '(', ')')
	case strings.HasPrefix(rest, "{"):
		end = closing(rest, '{', '}')
	case rest == "" || strings.IndexByte("0123456789@*#?$!-", rest[0]) < 0:
		l.put("$") // before anything else it is one
		return
	default:
		end = 1
	}
	if end <= 0 {
		end = len(rest)
	}
	l.Besides = true
	l.put(string(sign) + rest[:end])
	l.at += end
}

// closing is the place behind the sign that closes what a text begins with; 0: there is
// none.
func closing(text string, open, shut byte) int {
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case open:
			depth++
		case shut:
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// variable puts a value in.
func (l *lineReader) variable(name, operator, instead string, quoted bool) {
	value, known := l.env[name]
	switch {
	case operator == ":-" && value == "" || operator == "-" && !known:
		value = instead
	case !known:
		l.Unknown = append(l.Unknown, name)
	}
	assignment := len(l.command) == 0 && assigned().MatchString(l.word.String()) // of a value that is not cut
	if quoted || assignment {
		l.put(value)
		return
	}
	l.More = l.More || strings.ContainsAny(value, "*?[")
	fields := strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' })
	if value != "" && strings.IndexByte(" \t\n", value[0]) >= 0 {
		l.endWord()
	}
	for i, field := range fields {
		if i > 0 {
			l.endWord()
		}
		l.put(field)
	}
	if value != "" && strings.IndexByte(" \t\n", value[len(value)-1]) >= 0 {
		l.endWord()
	}
}
