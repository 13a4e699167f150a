package hclspec

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// EnvVariable is one variable of an environment file.
type EnvVariable struct {
	Name, Value string
}

// ReadEnvFile reads the text of an environment file as systemd does (systemd.exec(5),
// EnvironmentFile=); lines that say nothing are passed over.
func ReadEnvFile(text string) []EnvVariable {
	found, _ := readEnvFile(text)
	return found
}

// EnvFileDrops are the lines of an environment file from which systemd takes nothing,
// without an error: which, and why. What stands in one whose name is none may be a part of
// a secret that was meant to be longer, so it is not told.
func EnvFileDrops(text string) map[int]string {
	_, doubts := readEnvFile(text)
	drops := map[int]string{}
	for _, d := range doubts {
		if d.drops {
			drops[d.line] = "a line that is no NAME=VALUE is dropped"
			if strings.HasPrefix(d.text, exportDropped) {
				drops[d.line] = d.text
			}
		}
	}
	return drops
}

// envDoubt is a line that systemd and python-dotenv read differently, or that says
// nothing.
type envDoubt struct {
	line int
	text string // without values: they are secret

	drops bool // nothing is taken from the line
}

// readEnvFile is ReadEnvFile, and says where python-dotenv would read something else.
func readEnvFile(text string) (found []EnvVariable, doubts []envDoubt) {
	r := &envReader{text: text + "\n", line: 1}
	for r.at < len(r.text) {
		begin := r.line
		name, value, doubt := r.assignment()
		if name != "" {
			found = append(found, EnvVariable{name, value})
		}
		if doubt != "" {
			doubts = append(doubts, envDoubt{begin, doubt, dropped(name, doubt)})
		}
	}
	return found, doubts
}

// dropped tells of a doubt about a line that sets nothing and is no comment.
func dropped(name, doubt string) bool {
	return name == "" && !strings.HasPrefix(doubt, "a line that begins with ;") && !strings.HasPrefix(doubt, "a comment")
}

type envReader struct {
	text string
	at   int
	line int
}

func (r *envReader) next() byte {
	c := r.text[r.at]
	r.at++
	if c == '\n' {
		r.line++
	}
	return c
}

func isBreak(c byte) bool { return c == '\n' || c == '\r' }
func isBlank(c byte) bool { return c == ' ' || c == '\t' || isBreak(c) }

// assignment reads up to the end of a line, or of several that are one.
func (r *envReader) assignment() (name, value, doubt string) {
	var c byte
	for {
		if r.at == len(r.text) {
			return "", "", ""
		}
		if c = r.next(); !isBlank(c) {
			break
		}
		if c == '\n' {
			return "", "", ""
		}
	}
	if c == '#' || c == ';' {
		return "", "", r.comment(c)
	}
	from := r.at - 1
	// An = that begins a line belongs to its name, which is none then.
	for first := true; first || c != '=' && !isBreak(c); first = false {
		c = r.next()
	}
	name = strings.TrimSpace(r.text[from : r.at-1])
	switch {
	case c == '=':
		value, doubt = r.value()
	case !strings.HasPrefix(name, "="):
		return "", "", "a line without = is ignored"
	}
	if plain, ok := strings.CutPrefix(name, "export"); ok && plain != strings.TrimSpace(plain) {
		return "", "", fmt.Sprintf(exportDropped+", and so does this; python-dotenv and shells take it: write %s=… without export", strings.TrimSpace(plain))
	}
	if !isEnvName(name) {
		return "", "", fmt.Sprintf("%s is not a name of a variable: the line is dropped", appspec.Quote(name))
	}
	if doubt != "" {
		doubt = name + ": " + doubt
	}
	return name, value, doubt
}

func (r *envReader) comment(mark byte) (doubt string) {
	if mark == ';' {
		doubt = "a line that begins with ; is a comment of systemd, and an error of python-dotenv: write #"
	}
	for {
		switch c := r.next(); {
		case isBreak(c):
			return doubt
		case c == '\\' && r.at+1 < len(r.text): // what stands behind it counts for nothing
			if isBreak(r.text[r.at]) {
				doubt = "a comment that ends in a backslash continues on the next line, as in systemd; not in python-dotenv: remove the backslash"
			}
			r.next()
		}
	}
}

const exportDropped = "systemd drops a line with export"

// What the two read differently in a value.
const (
	envNote      = "systemd reads what follows # after a value as part of it, and so does this; python-dotenv reads it as a comment: put the comment on a line of its own"
	envExpand    = "${…} is text, as in systemd; python-dotenv fills it in, even in single quotes: write the value out"
	envBackslash = "a backslash in a value without quotes is removed, as in systemd; python-dotenv keeps it: put the value in single quotes"
	envGoesOn    = "a line that ends in a backslash goes on in the next one, as in systemd; not in python-dotenv: put the value in quotes, on one line"
	envEscape    = `\n and the like in double quotes stay two characters, as in systemd; python-dotenv makes one of them: put line breaks into the quotes`
	envBehind    = "text after the closing quote belongs to the value, as in systemd; python-dotenv drops the line: put all of it into the quotes"
	envOpen      = "the quote is not closed: the value goes on to the end of the file"
)

// value reads the value behind the =.
func (r *envReader) value() (value, doubt string) {
	var out []byte
	keep := 0 // what is before counts, white space too
	quoted, plain := false, false
	say := func(text string) {
		if doubt == "" {
			doubt = text
		}
	}
	for r.at < len(r.text) {
		c := r.next()
		switch {
		case isBreak(c):
			return r.ended(out, keep, plain), expands(out, doubt)
		case !plain && (c == '\'' || c == '"'):
			if quoted {
				say(envBehind)
			}
			quoted = true
			var closed bool
			if out, closed = r.quote(out, c, say); !closed {
				return strings.TrimSuffix(string(out), "\n"), envOpen
			}
			keep = len(out)
		case c == '\\':
			plain = true
			if r.at == len(r.text) {
				continue
			}
			if c = r.next(); !isBreak(c) {
				out = append(out, c)
				say(envBackslash)
			} else {
				say(envGoesOn)
			}
			keep = len(out)
		case !plain && isBlank(c):
		default:
			if c == '#' && (quoted && !plain || len(out) > 0 && isBlank(out[len(out)-1])) {
				say(envNote)
			} else if quoted && !plain {
				say(envBehind)
			}
			plain = true
			out = append(out, c)
			if !isBlank(c) {
				keep = len(out)
			}
		}
	}
	return r.ended(out, keep, plain), expands(out, doubt)
}

func (r *envReader) ended(out []byte, keep int, plain bool) string {
	if plain {
		out = out[:keep]
	}
	return string(out)
}

func expands(out []byte, doubt string) string {
	if doubt == "" && strings.Contains(string(out), "${") {
		return envExpand
	}
	return doubt
}

// quote reads up to the closing quote.
func (r *envReader) quote(out []byte, mark byte, say func(string)) (_ []byte, closed bool) {
	for r.at < len(r.text) {
		c := r.next()
		switch {
		case c == mark:
			return out, true
		case c == '\\' && mark == '"' && r.at < len(r.text):
			if c = r.next(); strings.IndexByte("\"\\`$", c) >= 0 {
				out = append(out, c)
			} else if c != '\n' {
				out = append(out, '\\', c)
				if strings.IndexByte("abfnrtv'", c) >= 0 {
					say(envEscape)
				}
			}
		default:
			out = append(out, c)
		}
	}
	return out, false
}

func isEnvName(s string) bool {
	for i, c := range s {
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// mostDoubts bounds what is said of one environment file.
const mostDoubts = 10

// envFiles reads the files of env_file into the environment of an app.
func (c *checker) envFiles() {
	s, o := c.spec, c.o
	if o.Elsewhere {
		return
	}
	for _, name := range s.EnvFile {
		name, optional := strings.CutPrefix(name, "-")
		if name == "" {
			c.fault("env_file", "env_file names no file", "write: env_file = [\"/etc/blog/env\"]")
			continue
		}
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(s.File), name)
		}
		if o.files == nil {
			c.fault("env_file", "cannot read "+c.shownFile(name)+": there are no files here", "leave it out")
			continue
		}
		o.asked.fileIs(o.files, name)
		text, err := readBy(o.files, o.OpenFile, name, maxSecretFile)
		if err != nil {
			if _, there := lstat(o.files, name); optional && there != nil {
				continue
			}
			o.asked.fileFails(name)
			c.fault("env_file", "cannot read "+c.shownFile(name)+": "+err.Error(), "make the file, or write "+appspec.Quote("-"+c.shownFile(name))+" where the app can do without it")
			continue
		}
		if at, what := badText(text); at >= 0 {
			c.fault("env_file", fmt.Sprintf("cannot read %s: it holds %s at byte %d", c.shownFile(name), what, at), "it is text in UTF-8, a line NAME=value for each variable")
			continue
		}
		found, doubts := readEnvFile(string(text))
		for i, d := range doubts {
			if i == mostDoubts {
				c.warn("env_file", fmt.Sprintf("%s: %d more lines like these", c.shownFile(name), len(doubts)-i), "see the others")
				break
			}
			what, instead, _ := strings.Cut(d.text, ": write ")
			if instead != "" {
				instead = "write " + instead
			}
			c.warn("env_file", fmt.Sprintf("%s:%d: %s", c.shownFile(name), d.line, what), instead)
		}
		for _, v := range found {
			path := appspec.KeyPath("env", v.Name)
			if _, written := s.Ranges[path]; written {
				c.warn(path, v.Name+" is in "+c.shownFile(name)+" too, and the file counts", "remove one of them")
			}
			if s.Env == nil {
				s.Env = make(map[string]string)
			}
			s.Env[v.Name] = v.Value
			s.MarkSensitive(path, true)
		}
	}
}

func (c *checker) shownFile(name string) string { return c.spec.Shown("env_file", name) }
