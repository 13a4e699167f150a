package hclspec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"path/filepath"
	"slices"
	"sync"

	"github.com/spf13/afero"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// mark is the type of the one mark that values carry.
type mark int

// secret marks what must never be printed.
const secret mark = 1

// functionNames are the functions of the language, with
// how they are called, for the reference page.
var functionNames = []struct{ name, call, doc string }{
	{"env", `env(name[, default])`, "the environment variable of the daemon; without a default it is an error where it is not set"},
	{"file", `file(path)`, "the text of a file, sensitive; a relative path starts at the directory of the spec file; a file that is missing, larger than 1 MiB or no UTF-8 is an error, and so is, for root, a way to it through a symbolic link of another user to a file that is not that user's"},
	{"sensitive", `sensitive(value)`, "the value, never printed by anything"},
	{"trimspace", `trimspace(text)`, "without white space at both ends"},
	{"lower", `lower(text)`, "in small letters"},
	{"upper", `upper(text)`, "in capital letters"},
	{"format", `format(form, value…)`, "as printf: `%s`, `%d`, `%q`, `%v` …"},
	{"join", `join(separator, list…)`, "the strings of lists as one string"},
	{"split", `split(separator, text)`, "the parts of a string as a list"},
	{"concat", `concat(list…)`, "lists as one list"},
	{"merge", `merge(map…)`, "maps as one map, the last wins"},
	{"coalesce", `coalesce(value…)`, "the first value that is not null; an empty string is one"},
	{"jsondecode", `jsondecode(text)`, "JSON as a value"},
	{"jsonencode", `jsonencode(value)`, "a value as JSON"},
	{"num_cpus", `num_cpus()`, "the number of CPUs that the daemon may use: those of its affinity mask, and no more than the CPU quota of its control group, or of one above it, allows (rounded up)"},
}

// pure are the functions that depend on their arguments alone.
var pure = sync.OnceValue(func() map[string]function.Function {
	return map[string]function.Function{
		"sensitive":  sensitiveFunc(),
		"trimspace":  stdlib.TrimSpaceFunc,
		"lower":      stdlib.LowerFunc,
		"upper":      stdlib.UpperFunc,
		"format":     formatFunc(),
		"join":       stdlib.JoinFunc,
		"split":      stdlib.SplitFunc,
		"concat":     stdlib.ConcatFunc,
		"merge":      stdlib.MergeFunc,
		"coalesce":   stdlib.CoalesceFunc,
		"jsondecode": jsondecodeFunc(),
		"jsonencode": stdlib.JSONEncodeFunc,
	}
})

// functions are the functions for one spec file.
func (o Options) functions(fsys afero.Fs, file string) map[string]function.Function {
	all := make(map[string]function.Function, len(functionNames))
	maps.Copy(all, pure())
	all["env"] = envFunc(o)
	all["file"] = fileFunc(o, fsys, filepath.Dir(file))
	all["num_cpus"] = function.New(&function.Spec{
		Type: function.StaticReturnType(cty.Number),
		Impl: func([]cty.Value, cty.Type) (cty.Value, error) {
			n := o.cpus()
			o.asked.cpusAre(n)
			return cty.NumberIntVal(int64(n)), nil
		},
	})
	return all
}

// formatFunc is the library's, without widths that fill the memory.
func formatFunc() function.Function {
	lib := stdlib.FormatFunc
	return function.New(&function.Spec{
		Params:   lib.Params(),
		VarParam: lib.VarParam(),
		Type:     function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if wideVerb(args[0].AsString()) {
				return cty.NilVal, function.NewArgErrorf(0, "a width or precision has at most 3 digits")
			}
			return lib.Call(args)
		},
	})
}

// wideVerb tells whether a format holds a verb with a number of four digits or
// more.
func wideVerb(form string) bool {
	verb, digits := false, 0
	for _, c := range []byte(form) {
		switch {
		case c == '%':
			verb, digits = true, 0
		case !verb:
		case '0' <= c && c <= '9':
			if digits++; digits > 3 {
				return true
			}
		default:
			digits = 0
			verb = c == '.' || c == '[' || c == ']' || c == '+' || c == '-' || c == ' ' || c == '#' || c == '*'
		}
	}
	return false
}

// jsondecodeFunc is the library's, for texts that cannot take its stack.
func jsondecodeFunc() function.Function {
	lib := stdlib.JSONDecodeFunc
	check := func(args []cty.Value) error {
		if !args[0].IsKnown() || args[0].IsNull() || args[0].IsMarked() {
			return nil
		}
		text := []byte(args[0].AsString())
		if _, nesting, _, digits := survey(text); nesting > maxNesting || digits > maxDigits {
			return function.NewArgErrorf(0, "the JSON is nested deeper than %d or has a number of more than %d digits", maxNesting, maxDigits)
		}
		var value any
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.UseNumber()
		if err := dec.Decode(&value); err != nil {
			// The words of the decoder may quote the text, which may be secret.
			return function.NewArgErrorf(0, "the text is not JSON, from byte %d on", dec.InputOffset())
		}
		if hugeNumber(value) {
			return function.NewArgErrorf(0, "the JSON holds a number that is too large")
		}
		return nil
	}
	return function.New(&function.Spec{
		Params: lib.Params(),
		Type: func(args []cty.Value) (cty.Type, error) {
			if err := check(args); err != nil {
				return cty.DynamicPseudoType, err
			}
			return lib.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return lib.Call(args) },
	})
}

// hugeNumber finds a number that, written out, would have too many digits.
func hugeNumber(v any) bool {
	switch v := v.(type) {
	case json.Number:
		f, _, err := big.ParseFloat(v.String(), 10, 64, big.ToNearestEven)
		return err != nil || f.IsInf() || f.MantExp(nil) > 4096 || f.MantExp(nil) < -4096
	case []any:
		return slices.ContainsFunc(v, hugeNumber)
	case map[string]any:
		for _, e := range v {
			if hugeNumber(e) {
				return true
			}
		}
	}
	return false
}

func sensitiveFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{
			Name: "value", Type: cty.DynamicPseudoType,
			AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true,
		}},
		Type: func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return args[0].Mark(secret), nil },
	})
}

func envFunc(o Options) function.Function {
	return function.New(&function.Spec{
		Params:   []function.Parameter{{Name: "name", Type: cty.String}},
		VarParam: &function.Parameter{Name: "default", Type: cty.String, AllowNull: true, AllowMarked: true},
		Type: func(args []cty.Value) (cty.Type, error) {
			if len(args) > 2 {
				return cty.String, function.NewArgErrorf(2, "it takes a name and a default, no more")
			}
			return cty.String, nil
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			name := args[0].AsString()
			if v, ok := o.lookupEnv(name); ok {
				if at, what := badText([]byte(v)); at >= 0 {
					return cty.NilVal, function.NewArgErrorf(0, "the variable %s holds %s", name, what)
				}
				if err := unchanged(v); err != nil {
					return cty.NilVal, function.NewArgErrorf(0, "cannot use the variable %s: %w", name, err)
				}
				return cty.StringVal(v), nil
			}
			if len(args) == 2 {
				return args[1], nil
			}
			return cty.NilVal, function.NewArgErrorf(0,
				"the variable %s is not set in the environment of this process: set it there, or give a default: env(%s, \"…\")", name, appspec.Quote(name))
		},
	})
}

func fileFunc(o Options, fsys afero.Fs, dir string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			name := args[0].AsString()
			if !filepath.IsAbs(name) {
				name = filepath.Join(dir, name)
			}
			o.asked.fileIs(fsys, name)
			text, err := readBy(fsys, o.OpenFile, name, maxSecretFile)
			if err != nil {
				o.asked.fileFails(name)
				return cty.NilVal, function.NewArgError(0, fmt.Errorf("cannot read %s: %w", name, err))
			}
			if at, what := badText(text); at >= 0 {
				return cty.NilVal, function.NewArgErrorf(0, "cannot read %s: it holds %s at byte %d", name, what, at)
			}
			if err := unchanged(string(text)); err != nil {
				return cty.NilVal, function.NewArgErrorf(0, "cannot use %s: %w", name, err)
			}
			return cty.StringVal(string(text)).Mark(secret), nil
		},
	})
}
