package apache

import (
	"os"
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// isCondition is a section that is decided while the configuration is read.
func isCondition(name string) bool {
	switch name {
	case "ifmodule", "ifdefine", "ifversion", "iffile", "ifdirective", "ifsection":
		return true
	}
	return false
}

// holds decides a condition. In a part of a configuration each module counts as loaded.
func (c *conf) holds(kind string, args []string) bool {
	what := strings.Join(args, " ")
	what, not := strings.CutPrefix(what, "!")
	yes := true
	switch kind {
	case "ifmodule":
		id := what
		if base, isFile := strings.CutSuffix(what, ".c"); isFile {
			id = strings.TrimPrefix(base, "mod_") + "_module"
		}
		yes = c.modules == nil || c.modules[id]
	case "ifdefine":
		_, yes = c.defined[what]
	case "iffile":
		_, err := os.Stat(facts.Rel(c.root, what))
		yes = err == nil
	case "ifversion":
		yes = isVersion(strings.TrimSpace(what))
	}
	return yes != not
}

// isVersion compares with 2.4, of whatever patch.
func isVersion(text string) bool {
	operator, version, ok := strings.Cut(text, " ")
	if !ok {
		operator, version = "=", text
	}
	is := 0
	for i, part := range strings.SplitN(strings.TrimSpace(version), ".", 3) {
		n, err := strconv.Atoi(part)
		if err != nil {
			return true // a pattern
		}
		if i == 2 {
			break
		}
		if is = []int{2, 4}[i] - n; is != 0 {
			break
		}
	}
	switch operator {
	case ">":
		return is > 0
	case ">=":
		return is >= 0
	case "<":
		return is < 0
	case "<=":
		return is <= 0
	}
	return is == 0
}
