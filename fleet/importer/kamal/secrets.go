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
		number := 0
		for line := range strings.SplitSeq(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n") {
			number++
			m := secretLine().FindStringSubmatch(line)
			if m == nil || strings.HasPrefix(strings.TrimSpace(line), "#") {
				continue
			}
			one := secret{at: facts.Position{File: path, Line: number}}
			one.read(o, project, all, m[2])
			all[m[1]] = one
		}
	}
	return all, nil
}

// read takes the text behind the =.
func (s *secret) read(o facts.Options, project string, known map[string]secret, text string) {
	quote := byte(0)
	if len(text) > 1 && (text[0] == '\'' || text[0] == '"') && strings.IndexByte(text[1:], text[0]) >= 0 {
		quote = text[0]
		end := strings.IndexByte(text[1:], quote) + 1
		text = text[1:end]
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
			return other.value
		}
		value, ok := o.Env(name)
		if !ok {
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
