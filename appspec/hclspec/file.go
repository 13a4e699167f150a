package hclspec

import (
	"bytes"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// defaultsFile is the one file that may hold a defaults block.
const defaultsFile = "defaults.hcl"

// file is one spec file on its way to specs.
type file struct {
	path     string
	src      []byte
	diags    hcl.Diagnostics // of the file as a whole
	ctx      *hcl.EvalContext
	apps     []*hcl.Block
	defaults *hcl.Block
	gate     *hcl.Block
	// localDefs are the locals of the file, evaluated or not.
	localDefs map[string]*hcl.Attribute
	unshaped  bool           // not for the lexer, see checkShape
	masks     []explain.Span // of the secrets in src, where masked
	masked    bool
}

// readSpecFile reads and parses a file, down to the blocks at its top and its
// locals. What is wrong with it is in diags; apps that could be found are there
// all the same.
func (o Options) readSpecFile(fsys afero.Fs, path string) *file {
	f := &file{path: path}
	src, err := readFile(fsys, path, maxSpecFile)
	if err != nil {
		f.fault(hcl.Range{Filename: path}, "cannot read the file: "+err.Error(), readAdvice(err))
		return f
	}
	// A byte order mark, which some editors write, says nothing.
	f.src = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	if bytes.Contains(f.src, []byte("\r\n")) { // HCL would keep them in a heredoc (2.25.0), where nobody means them
		f.src = bytes.ReplaceAll(f.src, []byte("\r\n"), []byte("\n"))
	}
	if at, what := badText(f.src); at >= 0 {
		f.fault(explain.RangeAt(path, f.src, at), "the file holds "+what, "a spec is text in UTF-8: is this another file, or was it saved in another encoding?")
		return f
	}
	if filepath.Base(path) == defaultsFile && len(bytes.TrimSpace(f.src)) == 0 {
		// Who wants none has no such file; a writer that truncates first, or a full
		// disk, must not change every app.
		f.fault(hcl.Range{Filename: path}, "the file is empty", "write: defaults { … }, or delete the file")
		return f
	}
	if err := checkShape(f.src); err != nil {
		f.unshaped = true
		f.fault(hcl.Range{Filename: path}, err.Error(), "it is too complex for a spec: is this another file?")
		return f
	}
	f.composed()
	body := f.parse()
	if f.diags.HasErrors() {
		return f
	}
	f.ctx = newContext(o, fsys, path)
	f.top(body)
	return f
}

func newContext(o Options, fsys afero.Fs, path string) *hcl.EvalContext {
	return &hcl.EvalContext{Functions: o.functions(fsys, path)}
}

func (f *file) fault(rng hcl.Range, what, instead string) {
	f.diags = append(f.diags, explain.Problem(rng, what, instead))
}

func (f *file) isJSON() bool { return strings.HasSuffix(f.path, ".json") }

func (f *file) parse() hcl.Body {
	var (
		parsed *hcl.File
		diags  hcl.Diagnostics
	)
	if f.isJSON() {
		parsed, diags = json.Parse(f.src, f.path)
	} else {
		parsed, diags = hclsyntax.ParseConfig(f.src, f.path, hcl.InitialPos)
	}
	if diags.HasErrors() {
		f.diags = append(f.diags, f.syntax(diags)...)
		return nil
	}
	return parsed.Body
}

// top sorts the blocks at the top of the file.
func (f *file) top(body hcl.Body) {
	attrs, found, diags := f.section(body, topBlocks)
	f.diags = append(f.diags, diags...)
	for _, a := range attrs {
		f.topName("attribute", a.Name, f.text(a.Expr.Range()), a.NameRange)
	}
	var locals []*hcl.Block
	for _, b := range found {
		if b.Type == explain.EnvironmentBlock && len(b.Labels) > 0 {
			f.fault(b.TypeRange, "environment is not allowed at the top of the file", explain.Elsewhere(b.Type, "", explain.TopOfFile))
			continue
		}
		switch b.Type {
		case "app":
			f.apps = append(f.apps, b)
		case explain.GateBlock:
			switch {
			case len(b.Labels) > 0:
				f.fault(b.LabelRanges[0], "gate has no name", "write: gate { … }")
			case f.gate != nil:
				f.fault(b.TypeRange, "gate is defined twice", "the first is on line "+itoa(f.gate.TypeRange.Start.Line)+": put both into one block; it may have any number of http blocks")
			default:
				f.gate = b
			}
		case "locals":
			if len(b.Labels) > 0 {
				f.fault(b.LabelRanges[0], "locals has no name", "write: locals { … }")
				continue
			}
			locals = append(locals, b)
		case "defaults":
			switch {
			case filepath.Base(f.path) != defaultsFile:
				f.fault(b.TypeRange, "defaults is allowed in "+defaultsFile+" only", "move it to "+filepath.Join(filepath.Dir(f.path), defaultsFile)+": it is for all apps of the directory")
			case len(b.Labels) > 0:
				f.fault(b.LabelRanges[0], "defaults has no name", "write: defaults { … }")
			case f.defaults != nil:
				f.fault(b.TypeRange, "defaults is defined twice", "the first is on line "+itoa(f.defaults.TypeRange.Start.Line)+": put both into one block")
			default:
				f.defaults = b
			}
		default:
			f.topName("block", b.Type, "", b.TypeRange)
		}
	}
	f.locals(locals)
}

var topBlocks = []string{"app", "defaults", explain.GateBlock, "locals"}

// topName says that a name may not stand at the top of a file.
func (f *file) topName(kind, name, value string, rng hcl.Range) {
	if f.isJSON() && slices.Contains(topBlocks, name) {
		form := "{ … }"
		if name == "app" {
			form = `{ "NAME": { … } }`
		}
		f.fault(rng, name+" is an object", "write: "+appspec.Quote(name)+": "+form)
		return
	}
	if name == "app" && kind == "attribute" {
		f.fault(rng, `app is a block, not an attribute`, `write: app "NAME" { … }`)
		return
	}
	if slices.Contains(topBlocks, name) {
		f.fault(rng, name+" is a block, not an attribute", "leave out the =: "+name+" { … }")
		return
	}
	what := "unknown " + kind + " " + appspec.Quote(name) + " at the top of the file"
	if hint := explain.PeerHint(name, value, explain.TopOfFile); hint != "" {
		f.fault(rng, what, hint)
		return
	}
	if near := appspec.Nearest(name, topBlocks); near != "" && appspec.Table().Attribute[name] == nil {
		f.fault(rng, what, "did you mean "+appspec.Quote(near)+"?")
		return
	}
	if hint := explain.Elsewhere(name, value, explain.TopOfFile); hint != "" {
		f.fault(rng, what, hint)
		return
	}
	f.fault(rng, what, `allowed here: app "NAME" { … }, gate { … }, locals { … } and, in `+defaultsFile+`, defaults { … }`)
}

// expressions is what the expressions of the file may name.
func (f *file) expressions() *explain.Expressions {
	e := &explain.Expressions{Text: f.text, Secret: f.secret, Locals: f.localNames, Functions: f.ctx.Functions}
	for _, fn := range functionNames {
		e.Calls = append(e.Calls, explain.Call{Name: fn.name, Form: fn.call})
	}
	return e
}

// text is the source of a range where it is on one line.
func (f *file) text(rng hcl.Range) string {
	if rng.Start.Byte < 0 || rng.End.Byte > len(f.src) || rng.Start.Byte >= rng.End.Byte || f.isJSON() {
		return ""
	}
	text := string(f.src[rng.Start.Byte:rng.End.Byte])
	if strings.ContainsRune(text, '\n') || len(text) > 80 || f.secret(rng) {
		return ""
	}
	return text
}

// secret tells whether a secret lies within a range of the source.
func (f *file) secret(rng hcl.Range) bool {
	if !f.masked {
		f.masks, f.masked = explain.SecretSpans(f.src), true
	}
	return explain.Meets(f.masks, rng.Start.Byte, rng.End.Byte)
}

func (f *file) localNames() []string { return slices.Sorted(maps.Keys(f.localDefs)) }

func (f *file) hasLocal(name string) bool { return f.localDefs[name] != nil }

// syntax explains why the file does not parse.
func (f *file) syntax(diags hcl.Diagnostics) hcl.Diagnostics {
	if f.isJSON() {
		return explain.JSON(f.path, f.src, diags)
	}
	return explain.Syntax(f.path, f.src, diags)
}
