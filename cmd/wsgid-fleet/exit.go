package main

import (
	"errors"
	"fmt"
	"strings"
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
	if !strings.HasPrefix(text, "cannot ") {
		if verb, ok := strings.CutPrefix(command, programName+" "); ok {
			text = "cannot " + verb + ": " + text
		}
	}
	fmt.Fprintf(c.err, "%s: %s\n", programName, text)
	if code == exitUsage {
		fmt.Fprintf(c.err, "Try \"%s --help\".\n", command)
	}
	return code
}
