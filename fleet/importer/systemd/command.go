package systemd

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/shellwords"
)

// unitCommand is one command of an Exec line of a unit.
type unitCommand struct {
	argv   []string
	prefix string // what stands before the program: -, @, :, +, !
}

// commands reads the value of an ExecStart= and the like: words, specifiers, and ;
// alone between two commands. An error is one with which systemd does not load the unit.
func (u *unitFile) commands(text string) ([]unitCommand, error) {
	var all []unitCommand
	for more := true; more; {
		more = false
		word, rest, ok, err := shellwords.SystemdWord(text, false)
		if err != nil || !ok {
			return all, err
		}
		program := strings.TrimLeft(word, "-@:+!")
		c := unitCommand{prefix: strings.TrimSuffix(word, program)}
		if program = u.specifiers(program); program == "" {
			return all, errors.New("it names no program")
		}
		c.argv = []string{program}
		for rest != "" {
			if separator(rest, ";") {
				rest, more = rest[1:], true
				break
			}
			if separator(rest, `\;`) {
				c.argv, rest = append(c.argv, ";"), strings.TrimLeft(rest[2:], " \t")
				continue
			}
			if word, rest, ok, err = shellwords.SystemdWord(rest, false); err != nil {
				return all, err
			}
			if ok {
				c.argv = append(c.argv, u.specifiers(word))
			}
		}
		if strings.Contains(c.prefix, "@") && len(c.argv) > 1 { // what it is called is not its name
			c.argv = append(c.argv[:1], c.argv[2:]...)
		}
		all, text = append(all, c), rest
	}
	return all, nil
}

func separator(text, mark string) bool {
	rest, ok := strings.CutPrefix(text, mark)
	return ok && (rest == "" || rest[0] == ' ' || rest[0] == '\t')
}

// with is the command with the variables put in, as far as its prefix lets them.
func (c unitCommand) with(env map[string]string) []string {
	if strings.Contains(c.prefix, ":") {
		return c.argv
	}
	return append(c.argv[:1:1], shellwords.SystemdVariables(c.argv[1:], env)...)
}

// assignments reads an Environment=; bad is what systemd passes over: a word that is no
// assignment, or all from an escape on that C does not know.
func (u *unitFile) assignments(text string) (all [][2]string, bad string) {
	for {
		word, rest, ok, err := shellwords.SystemdWord(text, true)
		if err != nil {
			return all, "systemd takes nothing from the quote or backslash on that it cannot read"
		}
		if !ok {
			return all, bad
		}
		name, value, ok := strings.Cut(u.specifiers(word), "=")
		if ok && facts.Assignment().MatchString(name+"=") {
			all = append(all, [2]string{name, value})
		} else {
			bad = "a word of it is no NAME=VALUE, so systemd passes over it"
		}
		text = rest
	}
}

// specifiers fills %n and its like; what systemd does not know stays.
func (u *unitFile) specifiers(text string) string {
	if !strings.Contains(text, "%") {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+1 < len(text) {
			if v, ok := u.specifier(text[i+1]); ok {
				b.WriteString(v)
				i++
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// specifier is what a letter behind % means (systemd.unit(5), of the system's manager).
func (u *unitFile) specifier(letter byte) (string, bool) {
	name := filepath.Base(u.path)
	whole := strings.TrimSuffix(name, filepath.Ext(name))
	prefix, instance, _ := strings.Cut(whole, "@")
	last := prefix[strings.LastIndexByte(prefix, '-')+1:]
	switch letter {
	case '%':
		return "%", true
	case 'n':
		return name, true
	case 'N':
		return whole, true
	case 'p':
		return prefix, true
	case 'P':
		return unitUnescape(prefix), true
	case 'i':
		return instance, true
	case 'I':
		return unitUnescape(instance), true
	case 'j':
		return last, true
	case 'J':
		return unitUnescape(last), true
	case 'f':
		if instance != "" {
			prefix = instance
		}
		return "/" + strings.TrimPrefix(unitUnescape(prefix), "/"), true
	case 'y':
		return u.path, true
	case 'Y':
		return filepath.Dir(u.path), true
	case 'H', 'l':
		host, err := os.Hostname()
		if letter == 'l' {
			host, _, _ = strings.Cut(host, ".")
		}
		return host, err == nil
	}
	v, ok := map[byte]string{'t': "/run", 'S': "/var/lib", 'C': "/var/cache", 'L': "/var/log", 'E': "/etc", 'T': "/tmp", 'V': "/var/tmp",
		'u': "root", 'U': "0", 'g': "root", 'G': "0", 'h': "/root", 's': "/bin/sh", 'd': "/run/credentials/" + name}[letter]
	if letter == 's' {
		v = rootShell()
	}
	return v, ok
}

// rootShell is the shell of the one as whom the manager runs.
func rootShell() string {
	text, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return "/bin/sh"
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if fields := strings.Split(line, ":"); len(fields) == 7 && fields[2] == "0" {
			return fields[6]
		}
	}
	return "/bin/sh"
}

// unitUnescape makes text of a unit's name: - is a slash, \xHH a byte.
func unitUnescape(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '-':
			b.WriteByte('/')
		case strings.HasPrefix(text[i:], `\x`) && len(text) >= i+4:
			n, err := strconv.ParseUint(text[i+2:i+4], 16, 8)
			if err != nil {
				return text
			}
			b.WriteByte(byte(n))
			i += 3
		default:
			b.WriteByte(text[i])
		}
	}
	return b.String()
}

// userHome is the home of a user; empty: there is none here.
func userHome(name string) string {
	u, err := user.Lookup(name)
	if err != nil {
		if u, err = user.LookupId(name); err != nil {
			return ""
		}
	}
	return u.HomeDir
}
