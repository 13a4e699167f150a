package systemd

import (
	"errors"
	"os"
	"os/user"
	"regexp"
	"strconv"
	"strings"
	"sync"

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
		if program, err = u.filled(program); err != nil {
			return all, err
		}
		if program == "" {
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
			if word, err = u.filled(word); err != nil {
				return all, err
			}
			if ok {
				c.argv = append(c.argv, word)
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

// Variables as a shell has them: with what it takes in the place of one, and with text behind.
var (
	withDefault = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\$\{\w+:[-+=?]`) })
	withMore    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\$\w+[^\w]`) })
)

// with is the command with the variables put in, as far as its prefix lets them.
func (c unitCommand) with(a *facts.App, at facts.Position, env map[string]string) []string {
	if strings.Contains(c.prefix, ":") {
		return c.argv
	}
	for _, word := range c.argv[1:] {
		switch {
		case withDefault().MatchString(word):
			a.Lost(at, facts.CommandText(word), "systemd knows no ${NAME:-VALUE} of a shell, so the program is given just this: write the value")
		case withMore().MatchString(word):
			a.Lost(at, facts.CommandText(word), "systemd takes all of it for the name of a variable, and leaves the word out where there is none: write ${NAME} in it")
		}
	}
	return append(c.argv[:1:1], shellwords.SystemdVariables(c.argv[1:], env)...)
}

// assignments reads an Environment=; bad is what systemd passes over: a word that is no
// assignment, one with a percent sign that means nothing, or all from an escape on that C
// does not know.
func (u *unitFile) assignments(text string) (all [][2]string, bad string) {
	for {
		word, rest, ok, err := shellwords.SystemdWord(text, true)
		if err != nil {
			return all, "systemd takes nothing from the quote or backslash on that it cannot read"
		}
		if !ok {
			return all, bad
		}
		text = rest
		given, _, _ := strings.Cut(word, "=")
		filled, err := u.filled(word)
		if err != nil {
			bad = "systemd passes over " + given + ": " + err.Error()
			continue
		}
		if found := unfilledIn(word); found != "" {
			bad = "what " + found + " stands for in " + given + " only the running system knows: write the value into env"
			continue
		}
		name, value, ok := strings.Cut(filled, "=")
		if ok && facts.Assignment().MatchString(name+"=") {
			all = append(all, [2]string{name, value})
		} else {
			bad = "a word of it is no NAME=VALUE, so systemd passes over it"
		}
	}
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
