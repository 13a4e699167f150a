package supervisord

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

var expansion = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`%(?:\((\w+)\)(-?0?\d*)([sdx])|(.?))`) })

// expand fills %(name)s as Python's % does; %% is a percent sign.
func (c *conf) expand(text string, names map[string]string) (string, error) {
	var fail error
	out := expansion().ReplaceAllStringFunc(text, func(m string) string {
		parts := expansion().FindStringSubmatch(m)
		switch {
		case parts[1] == "" && parts[4] == "%":
			return "%"
		case parts[1] == "":
			fail = fmt.Errorf("%q: a percent sign is written twice: supervisord does not start with it", text)
			return m
		}
		value, ok := names[parts[1]]
		if !ok {
			if name, isEnv := strings.CutPrefix(parts[1], "ENV_"); isEnv {
				if value, ok = c.env[name]; !ok {
					if value, ok = c.o.Env(name); ok {
						c.asked = append(c.asked, m)
					}
				}
			}
		}
		if !ok {
			fail = fmt.Errorf("%s is not known here: supervisord does not start without it", m)
			return m
		}
		if parts[3] == "s" {
			return fmt.Sprintf("%"+parts[2]+"s", value)
		}
		n, err := strconv.Atoi(value)
		if err != nil {
			fail = fmt.Errorf("%s is not a number", m)
		}
		return fmt.Sprintf("%"+parts[2]+parts[3], n)
	})
	return out, fail
}

// placed fills the %(here)s of the sections by the folder of the file that was read last,
// as supervisord does where it includes some. Any other form of it is filled later, by that
// of the main file (4.2.5; findings/supervisord-here-is-the-included-files.sh).
func (c *conf) placed(dir string) {
	for name, values := range c.sections {
		if name == "DEFAULT" { // its values are filled where they count
			continue
		}
		for key, v := range c.section(name) {
			if text := strings.ReplaceAll(v.text, "%(here)s", dir); text != v.text {
				values[key] = entry{text, v.at}
			}
		}
	}
}
