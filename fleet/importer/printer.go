package importer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// page is what the printer writes: an app in the words of the language.
type page struct {
	name    string
	header  []string       // comments above the app
	values  map[string]any // of the attributes, as a spec is in JSON
	came    map[string]string
	lost    []string // comments in the app, one a thing that was not carried over
	sockets []string // comments in sockets, where nothing listens yet
	blocks  []namedBlock

	suggested []string // comments at the end of the app

	secret   func(path, key string) bool // whether a text is not to be printed
	secrets  map[string]string           // files that the text names
	missing  map[string]bool             // variables whose files are not to be had here
	defaults map[string]any
}

// namedBlock is a block such as process "mail" { … }.
type namedBlock struct {
	kind, name string
	values     map[string]any
	came       string
}

// plainDefaults are the same for each app that a folder holds; none of them is written.
var plainDefaults = sync.OnceValues(func() (map[string]any, error) { return plainSpec(appspec.Default("app", "")) })

// write makes the spec file: what differs from the defaults, in the order of
// the language's own table.
func (p *page) write() ([]byte, error) {
	defaults, err := plainDefaults()
	if err != nil {
		return nil, err
	}
	p.defaults = defaults
	p.secrets = map[string]string{}
	file := hclwrite.NewEmptyFile()
	for _, line := range p.header {
		file.Body().AppendUnstructuredTokens(comment(line))
	}
	app := file.Body().AppendNewBlock("app", []string{p.name}).Body()
	w := &specWriter{page: p, app: app, blocks: map[string]*hclwrite.Body{"": app}}
	for _, line := range p.lost {
		app.AppendUnstructuredTokens(comment(line))
	}
	for _, a := range appspec.Attributes() {
		switch {
		case a.RootOnly || a.Path == "workers.count":
		case strings.HasPrefix(a.Path, "sockets."):
			if a.Path == "sockets.http.listen" { // both kinds, where the first stands in the table
				w.sockets(p.values)
			}
		case strings.HasPrefix(a.Path, "static."):
			if a.Path == "static.url" {
				w.blocksOf("static", p.values)
			}
		case a.Path == "workers.min":
			w.workers()
		case a.Path == "workers.max":
		default:
			v, ok := lookup(p.values, a.Path)
			d, _ := lookup(p.defaults, a.Path)
			if ok && !empty(v) && !reflect.DeepEqual(v, d) {
				w.set(a, a.Path, v)
			}
		}
	}
	for _, b := range p.blocks {
		w.named(b)
	}
	if len(p.suggested) > 0 {
		app.AppendNewline()
	}
	for _, line := range p.suggested {
		app.AppendUnstructuredTokens(comment(line))
	}
	return hclwrite.Format(file.BuildTokens(nil).Bytes()), nil // not of Bytes, which formats too
}

// specWriter fills the app block.
type specWriter struct {
	page   *page
	app    *hclwrite.Body
	blocks map[string]*hclwrite.Body // by path
}

// block returns the body of a block that stands once, and makes it at need.
func (w *specWriter) block(path string) *hclwrite.Body {
	if b, ok := w.blocks[path]; ok {
		return b
	}
	w.app.AppendNewline()
	b := w.app.AppendNewBlock(path, nil).Body()
	w.blocks[path] = b
	return b
}

func (w *specWriter) set(a appspec.Attribute, path string, v any) {
	w.line(w.block(a.Block()), a.Name(), w.tokens(a, path, v), path)
}

// line writes an attribute, and behind it where its value comes from.
func (w *specWriter) line(body *hclwrite.Body, name string, value hclwrite.Tokens, path string) {
	came := w.page.came[path]
	if came == "" || bytes.ContainsRune(value.Bytes(), '\n') {
		body.SetAttributeRaw(name, value)
		return
	}
	line := hclwrite.Tokens{
		{Type: hclsyntax.TokenIdent, Bytes: []byte(name)},
		{Type: hclsyntax.TokenEqual, Bytes: []byte(" = ")},
	}
	body.AppendUnstructuredTokens(append(append(line, value...), trailing(came)))
}

// named writes a block with a name.
func (w *specWriter) named(b namedBlock) {
	w.app.AppendNewline()
	if b.came != "" {
		w.app.AppendUnstructuredTokens(comment(b.came))
	}
	body := w.app.AppendNewBlock(b.kind, []string{b.name}).Body()
	for _, a := range appspec.Attributes() {
		if a.Block() != b.kind {
			continue
		}
		if v, ok := b.values[a.Name()]; ok {
			body.SetAttributeRaw(a.Name(), w.tokens(a, b.kind+"."+b.name+"."+a.Name(), v))
		}
	}
}

func (w *specWriter) workers() {
	number := func(name string) int64 {
		v, _ := lookup(w.page.values, "workers."+name)
		n, _ := v.(json.Number)
		i, err := n.Int64()
		if err != nil {
			return 1
		}
		return i
	}
	minimum, maximum := number("min"), number("max")
	write := func(name string, n int64) {
		w.line(w.block("workers"), name, hclwrite.TokensForValue(cty.NumberIntVal(n)), "workers."+name)
	}
	switch {
	case minimum == maximum && maximum != 1:
		if w.page.came != nil {
			w.page.came["workers.count"] = w.page.came["workers.max"]
		}
		write("count", maximum)
	case minimum != maximum:
		write("min", minimum)
		write("max", maximum)
	}
}

// sockets writes the http and mongrel2 blocks.
func (w *specWriter) sockets(now map[string]any) {
	_, named := lookup(now, "sockets")
	if !named && len(w.page.sockets) == 0 {
		return
	}
	body := w.block("sockets")
	count := 0
	for _, kind := range []string{"http", "mongrel2"} {
		list, _ := lookup(now, "sockets."+kind)
		sockets, _ := list.([]any)
		for i, one := range sockets {
			count++
			block := body.AppendNewBlock(kind, nil).Body()
			values, _ := one.(map[string]any)
			w.socket(block, "sockets."+kind, i, values)
		}
	}
	if count > 0 {
		return
	}
	for _, line := range w.page.sockets {
		body.AppendUnstructuredTokens(comment(line))
	}
}

// blocksOf writes the blocks of a kind that may stand any number of times.
func (w *specWriter) blocksOf(block string, now map[string]any) {
	list, _ := lookup(now, block)
	all, _ := list.([]any)
	for i, one := range all {
		w.app.AppendNewline()
		values, _ := one.(map[string]any)
		w.socket(w.app.AppendNewBlock(block, nil).Body(), block, i, values)
	}
}

func (w *specWriter) socket(body *hclwrite.Body, block string, i int, values map[string]any) {
	for _, a := range appspec.Attributes() {
		name, ok := strings.CutPrefix(a.Path, block+".")
		if !ok {
			continue
		}
		v, ok := lookup(values, name)
		if !ok || empty(v) {
			continue
		}
		path := fmt.Sprintf("%s[%d].%s", block, i, name)
		tokens := w.tokens(a, path, v)
		if a.Default != "" && string(bytes.TrimSpace(tokens.Bytes())) == a.Default {
			continue
		}
		to := body
		if inner, ok := strings.CutPrefix(a.Block(), block+"."); ok { // tls
			if b := body.FirstMatchingBlock(inner, nil); b != nil {
				to = b.Body()
			} else {
				to = body.AppendNewBlock(inner, nil).Body()
			}
		}
		w.line(to, a.Name(), tokens, path)
	}
}

// tokens writes a value as the language wants it.
func (w *specWriter) tokens(a appspec.Attribute, path string, v any) hclwrite.Tokens {
	if text, ok := v.(string); ok && a.Type == appspec.TypeDuration {
		if d, err := time.ParseDuration(text); err == nil {
			return hclwrite.TokensForValue(cty.StringVal(appspec.DurationText(d)))
		}
	}
	if n, ok := v.(json.Number); ok {
		switch a.Type {
		case appspec.TypeSize:
			if i, err := n.Int64(); err == nil {
				return hclwrite.TokensForValue(cty.StringVal(appspec.Size(i).String()))
			}
		case appspec.TypeMode:
			if i, err := n.Int64(); err == nil {
				return hclwrite.TokensForValue(cty.StringVal(fmt.Sprintf("%04o", i)))
			}
		default: // written as JSON has it
		}
	}
	return w.value(path, v)
}

// value writes any JSON value.
func (w *specWriter) value(path string, v any) hclwrite.Tokens {
	switch v := v.(type) {
	case map[string]any:
		var attrs []hclwrite.ObjectAttrTokens
		for _, key := range facts.SortedKeys(v) {
			name := hclwrite.TokensForValue(cty.StringVal(key))
			if hclsyntax.ValidIdentifier(key) {
				name = hclwrite.TokensForIdentifier(key)
			}
			attrs = append(attrs, hclwrite.ObjectAttrTokens{Name: name, Value: w.member(path, key, v[key])})
		}
		return hclwrite.TokensForObject(attrs)
	case []any:
		items := make([]hclwrite.Tokens, len(v))
		for i, item := range v {
			if text, ok := item.(string); ok && strings.HasSuffix(path, ".command") {
				before := ""
				if i > 0 {
					before, _ = v[i-1].(string)
				}
				items[i] = w.argument(path, before, text)
			} else {
				items[i] = w.value(path, item)
			}
		}
		return hclwrite.TokensForTuple(items)
	default:
		return hclwrite.TokensForValue(scalar(v))
	}
}

func scalar(v any) cty.Value {
	switch v := v.(type) {
	case string:
		return cty.StringVal(v)
	case bool:
		return cty.BoolVal(v)
	case json.Number:
		if n, err := cty.ParseNumberVal(v.String()); err == nil {
			return n
		}
		return cty.StringVal(v.String())
	default:
		return cty.NullVal(cty.DynamicPseudoType)
	}
}

func comment(text string) hclwrite.Tokens {
	return hclwrite.Tokens{{Type: hclsyntax.TokenComment, Bytes: []byte("# " + facts.HideSecrets(facts.OneLine(text)) + "\n")}}
}

func trailing(text string) *hclwrite.Token {
	return &hclwrite.Token{Type: hclsyntax.TokenComment, Bytes: []byte(" # " + facts.HideSecrets(facts.OneLine(text)) + "\n")}
}

// lookup finds a value by its path of names.
func lookup(m map[string]any, path string) (any, bool) {
	var v any = m
	for name := range strings.SplitSeq(path, ".") {
		inner, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = inner[name]; !ok {
			return nil, false
		}
	}
	return v, v != nil
}

// empty tells a value that stands for nothing.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

func decodeObject(b []byte) (map[string]any, error) {
	var m map[string]any
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	err := dec.Decode(&m)
	return m, err
}
