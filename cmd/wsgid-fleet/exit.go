package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
)

// Exit codes, see doc.go.
const (
	exitOK      = 0
	exitFailed  = 1
	exitChanges = 2
	exitDiffers = 3
	exitUsage   = 64
)

// exitError carries an exit code out of a command. With a nil err all that is
// to be said has been said.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// asUser is a command line as another user would give it.
func asUser(user, command string, args []string) string {
	sudo := "sudo"
	if user != "root" {
		sudo += " -u " + user
	}
	words := []string{sudo, command}
	_, after, _ := strings.Cut(command, " ") // the subcommand, which args repeat
	for i, arg := range args {
		if after != "" && arg == after {
			args = args[i+1:]
			break
		}
	}
	for _, arg := range args {
		if strings.ContainsFunc(arg, func(r rune) bool {
			return !strings.ContainsRune("-_=./:@,+", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
		}) {
			arg = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
		words = append(words, arg)
	}
	return strings.Join(words, " ")
}

// silent ends the command with a code and no further words.
func silent(code int) error {
	if code == exitOK {
		return nil
	}
	return &exitError{code: code}
}

// usageError is a wrong command line.
func usageError(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// commandVerbs say what the commands do whose names are no verbs.
var commandVerbs = map[string]string{
	"completion": "print a completion script", "console": "open the console", "deploys": "list deploys",
	"doctor": "check this machine", "endpoints": "list endpoints", "fmt": "format specs", "hosts": "list hosts",
	"logs": "show logs", "new": "write a spec", "status": "show status", "version": "print the version",
}

// doing is what a command does, as it stands behind "cannot".
func doing(command string) string { return cmp.Or(commandVerbs[command], command) }

// report writes err for people and returns the exit code that belongs to it.
// command is the path of the command that was meant ("wsgid-fleet start").
func (c *cli) report(err error, command string) int {
	if err == nil {
		return exitOK
	}
	code := exitFailed
	if exit, ok := errors.AsType[*exitError](err); ok {
		code = exit.code
		if exit.err == nil {
			return code
		}
	}
	text := strings.TrimRight(err.Error(), "\n")
	if n, ok := errors.AsType[*fleet.NeighbourError](err); ok {
		text += "; ask as that user: " + asUser(n.User, command, c.args) +
			"; for a fleet of your own name its specs with --dir"
	}
	if !strings.HasPrefix(text, "cannot ") {
		if verb, ok := strings.CutPrefix(command, programName+" "); ok {
			text = "cannot " + doing(verb) + ": " + text
		}
	}
	fmt.Fprintf(c.err, "%s: %s\n", programName, text)
	if code == exitUsage {
		command = strings.TrimSuffix(command, " help") // which has no more to say than what all have
		fmt.Fprintf(c.err, "Try \"%s --help\".\n", command)
	}
	return code
}
