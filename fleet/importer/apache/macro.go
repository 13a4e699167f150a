package apache

import (
	"fmt"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// macro is what <Macro NAME PARAMETER…> defines: its lines, as they are written.
type macro struct {
	name   string
	params []string
	lines  []macroLine
	at     facts.Position
	open   int // sections named Macro inside of it that are open while it is read
}

type macroLine struct {
	text string
	at   facts.Position
}

// begin opens a macro, whose lines are kept until it is closed.
func (c *conf) begin(text string, args []string, at facts.Position) error {
	switch {
	case c.modules != nil && !c.modules["macro_module"]:
		return fmt.Errorf("%s: %s: mod_macro is not loaded: Apache does not start with it", at, text)
	case len(args) == 0:
		return fmt.Errorf("%s: %s: it has no name: Apache does not start with it", at, text)
	}
	c.defining = &macro{name: strings.ToLower(args[0]), params: args[1:], at: at}
	return nil
}

// keep takes a line of the macro that is open, or closes it.
func (c *conf) keep(text string, at facts.Position) {
	m := c.defining
	lower := strings.ToLower(text)
	switch {
	case strings.HasPrefix(lower, "<macro") && (len(lower) == len("<macro") || strings.ContainsAny(lower[len("<macro"):len("<macro")+1], " \t>")):
		m.open++
	case strings.HasPrefix(lower, "</macro"):
		if m.open == 0 {
			c.defining = nil
			if c.macros == nil {
				c.macros = map[string]*macro{}
			}
			c.macros[m.name] = m
			return
		}
		m.open--
	}
	m.lines = append(m.lines, macroLine{text, at})
}

// use reads the lines of a macro with the arguments in the places of its parameters.
func (c *conf) use(d directive) error {
	fails := func(why string) error {
		return fmt.Errorf("%s: %s: %s: Apache does not start with it", d.at, d.was, why)
	}
	if len(d.args) == 0 {
		return fails("it names no macro")
	}
	m, args := c.macros[strings.ToLower(d.args[0])], d.args[1:]
	switch {
	case m == nil && c.modules == nil: // a part of a configuration
		c.all = append(c.all, d)
		return nil
	case m == nil:
		return fails("no macro of that name is defined")
	case len(args) != len(m.params):
		return fails(fmt.Sprintf("the macro, of %s, takes %d arguments, and not %d", m.at, len(m.params), len(args)))
	case slices.Contains(c.using, m.name):
		return fails("the macro uses itself")
	}
	c.using = append(c.using, m.name)
	depth := len(c.stack)
	for _, line := range m.lines {
		text, ok := m.filled(line.text, args)
		if !ok {
			return fails("a line of the macro becomes too long (" + line.at.String() + ")")
		}
		if err := c.feed(text, line.at); err != nil {
			return err
		}
	}
	c.using = c.using[:len(c.using)-1]
	if len(c.stack) != depth {
		return fails(c.stack[len(c.stack)-1].text + " of the macro is not closed")
	}
	return nil
}

// longestLine is where Apache gives a line of a macro up.
const longestLine = 8192

// filled is a line with the arguments in it: from the left the first parameter that stands
// there, of several the longest, and what was put in is not looked at again. One that begins
// with @ is put in with quotes around it, wherever it stands (2.4.67).
func (m *macro) filled(text string, args []string) (filled string, ok bool) {
	var out strings.Builder
	for {
		first, which := -1, -1
		for i, param := range m.params {
			at := strings.Index(text, param)
			if at >= 0 && (first < 0 || at < first || at == first && len(param) > len(m.params[which])) {
				first, which = at, i
			}
		}
		if which < 0 || m.params[which] == "" {
			return out.String() + text, true
		}
		if out.Len()+len(text) > longestLine {
			return "", false
		}
		arg := args[which]
		if m.params[which][0] == '@' {
			arg = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(arg) + `"`
		}
		// Apache goes on behind as many signs as the argument has without quotes.
		out.WriteString(text[:first] + arg[:len(args[which])])
		text = arg[len(args[which]):] + text[first+len(m.params[which]):]
	}
}
