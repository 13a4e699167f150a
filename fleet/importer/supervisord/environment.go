package supervisord

import (
	"errors"
	"fmt"
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
