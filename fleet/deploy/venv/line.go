package venv

import (
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/shellwords"
)

// kind is what a line of a requirements file is to the hash.
type kind int

const (
	plain     kind = iota // its bytes say all
	nested                // another requirements file
	elsewhere             // something that may change while the line does not
)

// line is one of a requirements file as pip reads it: it takes one thing of it, and drops
// others that stand beside it (23.0.1; findings/pip-drops-the-rest-of-a-line.sh).
type line struct {
	kind    kind
	arg     string
	dropped []string
	lonely  bool // what is dropped belongs to a requirement, and none is there
}

// because is why something is dropped, and what to do.
func (l line) because() string {
	if l.lonely {
		return "no requirement stands before it: a comment or an empty line above it ends the one that it belongs to"
	}
	return "it takes one thing of a line: write each on its own"
}

// withValue are pip's options in such a file that a value belongs to, by their long names.
var withValue = map[string]string{"-i": "--index-url", "-c": "--constraint", "-r": "--requirement", "-e": "--editable", "-f": "--find-links"}

var longOptions = strings.Fields(`--index-url --extra-index-url --constraint --requirement --editable --find-links --no-binary --only-binary
	--trusted-host --use-feature --hash --global-option --install-option --config-settings --config-setting`)

// ofRequirement are the options that count behind a requirement.
var ofRequirement = strings.Fields("--hash --global-option --install-option --config-settings --config-setting")

// classify reads a line that lines has made.
func classify(text string) line {
	words := strings.Split(text, " ")
	first := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "-") })
	if first < 0 {
		return requirement(text)
	}
	options, rest, ok := parseOptions(strings.Join(words[first:], " "))
	if !ok {
		return line{} // pip does not take the file
	}
	one := line{dropped: rest}
	taken := ""
	if what := strings.TrimSpace(strings.Join(words[:first], " ")); what != "" {
		one = requirement(what)
		one.dropped = rest
		for _, o := range options {
			if !slices.Contains(ofRequirement, o[0]) {
				one.dropped = append(one.dropped, o.shown())
			}
		}
		return one
	}
	for _, name := range []string{"--editable", "--requirement", "--constraint"} {
		i := slices.IndexFunc(options, func(o pipOption) bool { return o[0] == name })
		if i < 0 {
			continue
		}
		taken, one.arg, one.kind = name, options[i][1], nested
		if name == "--editable" {
			one.kind = elsewhere
		}
		options = slices.Delete(options, i, i+1)
		break
	}
	for _, o := range options {
		switch {
		case taken != "" && !slices.Contains(ofRequirement, o[0]):
			one.dropped = append(one.dropped, o.shown())
		case taken == "" && slices.Contains(ofRequirement, o[0]): // a comment between it and its requirement ends that
			one.lonely = true
			one.dropped = append(one.dropped, o[0])
		case taken == "" && o[0] == "--find-links":
			one.kind, one.arg = elsewhere, o[1]
		}
	}
	return one
}

// requirement is what a line is that begins with none of pip's options.
func requirement(text string) line {
	what, _, _ := strings.Cut(text, ";")
	what = strings.TrimSpace(what)
	if name, _, ok := strings.Cut(what, " "); ok && !strings.Contains(what, "@") {
		what = name // the version behind it
	}
	if strings.HasPrefix(what, ".") || strings.Contains(what, "/") || strings.Contains(what, "@") || archive().MatchString(what) {
		return line{kind: elsewhere, arg: what}
	}
	return line{}
}

// pipOption is the long name of an option and its value.
type pipOption [2]string

// shown is an option without an address, which may have a password in it.
func (o pipOption) shown() string {
	if o[1] == "" || strings.Contains(o[1], "://") {
		return o[0]
	}
	return o[0] + " " + o[1]
}

// parseOptions reads options as Python's optparse does: a long name may be shortened, a
// value may be joined to its option. rest is what is no option.
func parseOptions(text string) (options []pipOption, rest []string, ok bool) {
	words, err := shellwords.Shlex(text)
	if err != nil {
		return nil, nil, false
	}
	for i := 0; i < len(words); i++ {
		word := words[i]
		if !strings.HasPrefix(word, "-") || word == "-" {
			rest = append(rest, word)
			continue
		}
		name, value, has := strings.Cut(word, "=")
		if !strings.HasPrefix(word, "--") {
			name, value, has = withValue[word[:2]], word[2:], len(word) > 2
		} else if !slices.Contains(longOptions, name) {
			if i := slices.IndexFunc(longOptions, func(l string) bool { return len(name) > 2 && strings.HasPrefix(l, name) }); i >= 0 {
				name = longOptions[i]
			}
		}
		if slices.Contains(longOptions, name) && !has {
			if i++; i == len(words) {
				return nil, nil, false
			}
			value = words[i]
		}
		options = append(options, pipOption{name, value})
	}
	return options, rest, true
}
