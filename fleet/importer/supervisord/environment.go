package supervisord

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/shellwords"
)

// pairs reads environment= as supervisord does, by the tokens of Python's
// shlex: a sign that is neither of a word nor in quotes ends the value, and what
// follows the next sign is looked at as if nothing had been. The third is that sign.
func pairs(text string) ([][3]string, error) {
	tokens, err := shellwords.Tokens(text, "/.+-():")
	if err != nil {
		return nil, errors.New("a quote is not closed, as behind a value that a comment cuts off: supervisord does not start with it")
	}
	var out [][3]string
	for i := 0; i < len(tokens); i += 4 {
		if i+3 > len(tokens) {
			return nil, errors.New("it ends in the middle of KEY=VALUE: supervisord does not start with it")
		}
		if tokens[i+1] != "=" {
			return nil, fmt.Errorf("%s has no value: supervisord does not start with it", tokens[i])
		}
		pair := [3]string{strings.Trim(tokens[i], `'"`), strings.Trim(tokens[i+2], `'"`), ""}
		if i+3 < len(tokens) && tokens[i+3] != "," {
			pair[2] = tokens[i+3]
		}
		out = append(out, pair)
	}
	if strings.Contains(text, "#") && len(out) > 0 && !strings.Contains(strings.Join(tokens, ""), "#") {
		out[len(out)-1][2] = "#"
	}
	return out, nil
}

// global takes the variables of [supervisord], which every %(ENV_NAME)s behind it knows,
// as it knows those that supervisord was started with (4.2.5;
// findings/supervisord-knows-variables-that-it-sets.sh). One that cannot be read is told
// of a program.
func (c *conf) global() {
	host, _ := os.Hostname()
	text, err := c.expand(c.section("supervisord")["environment"].text, map[string]string{"here": c.here, "host_node_name": host})
	if err != nil {
		return
	}
	set, err := pairs(text)
	if err != nil {
		return
	}
	c.env = map[string]string{}
	for _, kv := range set {
		c.env[kv[0]] = kv[1]
	}
}

// own are the names that a program's later values know: its own variables among them.
func (c *conf) own(environment entry, names map[string]string) map[string]string {
	all := maps.Clone(names)
	if text, err := c.expand(environment.text, names); err == nil {
		set, _ := pairs(text) // an error is told of the value itself
		for _, kv := range set {
			all["ENV_"+kv[0]] = kv[1]
		}
	}
	return all
}

// afterEnvironment tells of the values that supervisord fills when it has the program's
// variables.
func afterEnvironment(key string) bool {
	return key == "command" || key == "directory" || key == "process_name" || strings.HasPrefix(key, "stdout_") || strings.HasPrefix(key, "stderr_")
}
