package fleet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// write makes the spec file: what differs from the defaults, in the order of
// the language's own table.
func (imp *importer) write() ([]byte, error) {
	s := imp.spec
	now, err := plainSpec(s)
	if err != nil {
		return nil, err
	}
	defaults, err := plainSpec(appspec.Default(s.Name, ""))
	if err != nil {
		return nil, err
	}
	file := hclwrite.NewEmptyFile()
	file.Body().AppendUnstructuredTokens(comment("Written by wsgid-fleet import from " + imp.path + "."))
	app := file.Body().AppendNewBlock("app", []string{s.Name}).Body()
	w := &specWriter{imp: imp, app: app, blocks: map[string]*hclwrite.Body{"": app}}
	for _, a := range appspec.Attributes() {
		switch {
		case a.RootOnly || a.Path == "workers.count":
		case strings.HasPrefix(a.Path, "sockets."):
			if a.Path == "sockets.http.listen" { // both kinds, where the first stands in the table
				w.sockets(now)
			}
		case strings.HasPrefix(a.Path, "static."):
			if a.Path == "static.url" {
				w.blocksOf("static", now)
			}
		case a.Path == "workers.min":
			w.workers(s.Workers.Min, s.Workers.Max)
		case a.Path == "workers.max":
		default:
			v, ok := lookup(now, a.Path)
			d, _ := lookup(defaults, a.Path)
			if ok && !empty(v) && !reflect.DeepEqual(v, d) {
				w.set(a, a.Path, v)
			}
		}
	}
	return hclwrite.Format(file.Bytes()), nil
}

// specWriter fills the app block.
type specWriter struct {
	imp    *importer
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
	w.block(a.Block()).SetAttributeRaw(a.Name(), w.tokens(a, path, v))
}

func (w *specWriter) workers(minimum, maximum int) {
	switch {
	case minimum == maximum && maximum != 1:
		w.block("workers").SetAttributeValue("count", cty.NumberIntVal(int64(maximum)))
	case minimum != maximum:
		w.block("workers").SetAttributeValue("min", cty.NumberIntVal(int64(minimum)))
		w.block("workers").SetAttributeValue("max", cty.NumberIntVal(int64(maximum)))
	}
}

// sockets writes the http and mongrel2 blocks.
func (w *specWriter) sockets(now map[string]any) {
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
	w.imp.incomplete = true
	w.imp.note("wsgid.json names no recv and no send, so they came by the command line: write them into the block sockets")
	body.AppendUnstructuredTokens(comment("mongrel2 {"))
	body.AppendUnstructuredTokens(comment(`  recv = "tcp://127.0.0.1:9997" # wsgid's --recv: the handler's send_spec`))
	body.AppendUnstructuredTokens(comment(`  send = "tcp://127.0.0.1:9996" # wsgid's --send: the handler's recv_spec`))
	body.AppendUnstructuredTokens(comment("}"))
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
		to.SetAttributeRaw(a.Name(), tokens)
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

// secretName matches the names of settings and variables whose values are
// secret; what it matches in vain is only printed less.
var secretName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)(passw|passphrase|secret|token|credential|private|api_?key|access_?key|_key$|^key$|_dsn$|^dsn$|database_url)`)
})

// value writes any JSON value.
func (w *specWriter) value(path string, v any) hclwrite.Tokens {
	switch v := v.(type) {
	case map[string]any:
		var attrs []hclwrite.ObjectAttrTokens
		for _, key := range sortedKeysOf(v) {
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
			items[i] = w.value(path, item)
		}
		return hclwrite.TokensForTuple(items)
	default:
		return hclwrite.TokensForValue(scalar(v))
	}
}

// member writes a value of a map, wrapped in sensitive() where it is secret.
func (w *specWriter) member(path, key string, v any) hclwrite.Tokens {
	path += "." + key
	tokens := w.value(path, v)
	text, isText := v.(string)
	if w.imp.spec.Sensitive[path] || isText && text != "" && secretName().MatchString(key) {
		return hclwrite.TokensForFunctionCall("sensitive", tokens)
	}
	return tokens
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
	return hclwrite.Tokens{{Type: hclsyntax.TokenComment, Bytes: []byte("# " + text + "\n")}}
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

func sortedKeysOf(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
