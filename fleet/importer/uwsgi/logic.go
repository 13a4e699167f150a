package uwsgi

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// logic are the blocks: what they return are the values of %(_) for which a line
// of theirs counts.
var logic = map[string]func(c *config, data string) []string{
	"for": func(_ *config, data string) []string { return fieldsBy(data, " ") },
	"for-times": func(_ *config, data string) []string {
		n := min(facts.LeadingInt(data), facts.MaxOptions)
		out := make([]string, 0, max(n, 0))
		for i := 1; i <= n; i++ {
			out = append(out, strconv.Itoa(i))
		}
		return out
	},
	"for-glob": globbed,
	"for-readline": func(c *config, data string) []string {
		text, err := facts.ReadFile(c.abs(data))
		if err != nil {
			return nil
		}
		return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	},
	"if-opt":     ifOption(true),
	"if-not-opt": ifOption(false),
	"if-env":     ifVariable(true),
	"ifenv":      ifVariable(true),
	"if-not-env": ifVariable(false),
	"if-reload":  func(*config, string) []string { return nil },
	"if-not-reload": func(*config, string) []string {
		return []string{"%(_)"}
	},
	"if-exists":       ifFile(true, func(os.FileInfo) bool { return true }),
	"ifexists":        ifFile(true, func(os.FileInfo) bool { return true }),
	"if-not-exists":   ifFile(false, func(os.FileInfo) bool { return true }),
	"if-file":         ifFile(true, func(i os.FileInfo) bool { return i.Mode().IsRegular() }),
	"if-not-file":     ifFile(false, func(i os.FileInfo) bool { return i.Mode().IsRegular() }),
	"if-dir":          ifFile(true, os.FileInfo.IsDir),
	"ifdir":           ifFile(true, os.FileInfo.IsDir),
	"if-directory":    ifFile(true, os.FileInfo.IsDir),
	"if-not-dir":      ifFile(false, os.FileInfo.IsDir),
	"if-plugin":       ifPlugin(true),
	"ifplugin":        ifPlugin(true),
	"if-not-plugin":   ifPlugin(false),
	"if-hostname":     ifHostname(true),
	"if-not-hostname": ifHostname(false),
}

// globbed are the files of a pattern; one that matches none stands for itself.
func globbed(c *config, data string) []string {
	found, err := filepath.Glob(c.abs(data))
	if err != nil || len(found) == 0 {
		return []string{data}
	}
	if !filepath.IsAbs(data) {
		for i, name := range found {
			if rel, err := filepath.Rel(c.cwd, name); err == nil {
				found[i] = rel
			}
		}
	}
	return found
}

// when is a condition's answer.
func when(holds, wanted bool, item string) []string {
	if holds != wanted {
		return nil
	}
	return []string{item}
}

// orItself is what %(_) becomes: without a value it stays.
func orItself(have string, ok bool) string {
	if !ok {
		return "%(_)"
	}
	return have
}

func ifOption(wanted bool) func(*config, string) []string {
	return func(c *config, data string) []string {
		key, want, compare := strings.Cut(data, "=")
		have, ok := c.get(key)
		return when(ok && (!compare || want == have), wanted, orItself(have, ok))
	}
}

func ifVariable(wanted bool) func(*config, string) []string {
	return func(c *config, data string) []string {
		key, want, compare := strings.Cut(data, "=")
		have, ok := c.variable(key)
		return when(ok && (!compare || want == have), wanted, orItself(have, ok))
	}
}

func ifFile(wanted bool, is func(os.FileInfo) bool) func(*config, string) []string {
	return func(c *config, data string) []string {
		info, err := os.Stat(c.abs(data))
		return when(err == nil && is(info), wanted, data)
	}
}

func ifPlugin(wanted bool) func(*config, string) []string {
	return func(c *config, data string) []string {
		loaded := slices.ContainsFunc(c.options, func(o *option) bool {
			return strings.HasSuffix(o.key, "plugin") || strings.HasSuffix(o.key, "plugins") &&
				slices.Contains(strings.Split(o.value, ","), data)
		})
		return when(loaded, wanted, data)
	}
}

func ifHostname(wanted bool) func(*config, string) []string {
	return func(_ *config, data string) []string {
		name, _ := os.Hostname()
		return when(name == data, wanted, data)
	}
}
