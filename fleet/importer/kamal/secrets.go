package kamal

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/shellwords"
)

// secret is a line of the secrets.
type secret struct {
	value string
	asks  string // what kamal gets the value from, which is not asked here; empty: it is value
	shell string // the variable of this shell that is in it
	at    facts.Position
}

var (
	secretLine = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^\s*(?:export\s+)?([\w.]+)(?:\s*=\s*|:\s+)(.*?)\s*$`)
	})
	used    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\$(?:\{(\w+)\}|(\w+))`) })
	catFile = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\$\(\s*cat\s+([^\s;|&<>$]+)\s*\)$`) })
)

// readSecrets reads the files of secrets as dotenv does, the later over the earlier one:
// variables are put in but in single quotes, those of a file before those of this shell.
// A command is not run; that it reads a file is done.
func readSecrets(o facts.Options, project string, files []string) (map[string]secret, error) {
	all := map[string]secret{}
	for _, path := range files {
		text, err := facts.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		lines := strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
		for i := 0; i < len(lines); i++ {
			m := secretLine().FindStringSubmatch(lines[i])
			if m == nil || strings.HasPrefix(strings.TrimSpace(lines[i]), "#") {
				continue
			}
			one, value := secret{at: facts.Position{File: path, Line: i + 1}}, m[2]
			for end := i; isOpen(value) && end+1 < min(len(lines), i+500); { // a key in PEM, for one
				end++
				value += "\n" + lines[end]
				if !isOpen(value) {
					i = end
				}
			}
			one.read(o, project, all, strings.TrimSpace(value))
			all[m[1]] = one
		}
	}
	return all, nil
}

// closing is where the quote that begins a text is closed; -1: it does not begin with one, or
// that is open.
func closing(text string) int {
	if text == "" || text[0] != '\'' && text[0] != '"' {
		return -1
	}
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && text[0] == '"':
			i++
		case text[i] == text[0]:
			return i
		}
	}
	return -1
}

// isOpen tells of a text whose quote goes on in the next line.
func isOpen(text string) bool {
	return text != "" && (text[0] == '\'' || text[0] == '"') && closing(text) < 0
}

// read takes the text behind the =.
func (s *secret) read(o facts.Options, project string, known map[string]secret, text string) {
	quote := byte(0)
	if end := closing(text); end > 0 {
		quote, text = text[0], text[1:end]
	} else if note := strings.Index(text, " #"); note >= 0 {
		text = strings.TrimSpace(text[:note])
	}
	if quote == '\'' {
		s.value = text
		return
	}
	if m := catFile().FindStringSubmatch(text); m != nil {
		read, err := facts.ReadFile(facts.Rel(project, shellwords.Shell(m[1])[0]))
		if err != nil {
			s.asks = text
		}
		s.value = strings.TrimRight(string(read), "\n")
		return
	}
	if strings.Contains(text, "$(") || strings.Contains(text, "`") {
		s.asks = text
		return
	}
	if quote == '"' {
		text = strings.NewReplacer(`\n`, "\n", `\r`, "\r", `\"`, `"`).Replace(text)
	}
	s.value = used().ReplaceAllStringFunc(text, func(use string) string {
		name := strings.Trim(use, "${}")
		if other, ok := known[name]; ok {
			if other.asks != "" {
				s.asks = use
			}
			s.shell = facts.Either(other.shell, s.shell)
			return other.value
		}
		value, ok := o.Env(name)
		if s.shell = name; !ok {
			s.asks = use
		}
		return value
	})
}

// secretFiles are the files of secrets of a destination, in their order.
func (r *reader) secretFiles() []string {
	base := facts.Rel(r.project, facts.Either(r.root.get("secrets_path").value(), filepath.Join(".kamal", "secrets")))
	own := base
	if r.destination != "" {
		own += "." + r.destination
	}
	return []string{base + "-common", own}
}
