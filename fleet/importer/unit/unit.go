package unit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// unitNode is a value of Unit's configuration with the line that it begins in.
type unitNode struct {
	value any // string, json.Number, bool, nil, []*unitNode or *unitObject
	line  int
}

// unitObject keeps its members in order.
type unitObject struct {
	keys    []string
	members map[string]*unitNode
}

// parseUnit reads JSON as Unit takes it, with comments of two kinds.
func parseUnit(text []byte) (*unitNode, error) {
	text = facts.WithoutComments(text)
	p := &unitParser{text: text, dec: json.NewDecoder(bytes.NewReader(text))}
	p.dec.UseNumber()
	node, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := p.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something stands behind its end")
	}
	return node, nil
}

type unitParser struct {
	text     []byte
	dec      *json.Decoder
	counted  int // of the text, for the lines
	newlines int
}

func (p *unitParser) line() int {
	to := min(int(p.dec.InputOffset()), len(p.text))
	p.newlines += bytes.Count(p.text[p.counted:to], []byte("\n"))
	p.counted = to
	return p.newlines + 1
}

func (p *unitParser) value(depth int) (*unitNode, error) {
	t, err := p.dec.Token()
	if err != nil {
		return nil, err
	}
	if depth > 100 {
		return nil, errors.New("it is nested too deeply")
	}
	n := &unitNode{value: t, line: p.line()}
	switch t {
	case json.Delim('{'):
		o := &unitObject{members: map[string]*unitNode{}}
		for p.dec.More() {
			key, err := p.dec.Token()
			if err != nil {
				return nil, err
			}
			line := p.line()
			v, err := p.value(depth + 1)
			if err != nil {
				return nil, err
			}
			v.line = line
			name, _ := key.(string)
			if o.members[name] == nil {
				o.keys = append(o.keys, name)
			}
			o.members[name] = v
		}
		n.value = o
	case json.Delim('['):
		list := []*unitNode{}
		for p.dec.More() {
			v, err := p.value(depth + 1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		n.value = list
	default:
		return n, nil
	}
	_, err = p.dec.Token() // the end
	return n, err
}

// at is a member by its path; nil where there is none.
func (n *unitNode) at(path ...string) *unitNode {
	for _, name := range path {
		if n == nil {
			return nil
		}
		o, ok := n.value.(*unitObject)
		if !ok {
			return nil
		}
		n = o.members[name]
	}
	return n
}

func (n *unitNode) keys() []string {
	if n == nil {
		return nil
	}
	if o, ok := n.value.(*unitObject); ok {
		return o.keys
	}
	return nil
}

// text is a scalar as it is written.
func (n *unitNode) text() string {
	if n == nil {
		return ""
	}
	switch v := n.value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return fmt.Sprint(v)
	}
	return ""
}

// list is a list, or one value in place of it.
func (n *unitNode) list() []*unitNode {
	if n == nil {
		return nil
	}
	if list, ok := n.value.([]*unitNode); ok {
		return list
	}
	return []*unitNode{n}
}

func (n *unitNode) texts() []string {
	var out []string
	for _, one := range n.list() {
		out = append(out, one.text())
	}
	return out
}

// Read reads a configuration of NGINX Unit: what its control socket gives, or the
// conf.json of its state directory.
func Read(o facts.Options, path string) ([]*facts.App, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	text, err := facts.ReadFile(abs)
	if err != nil {
		return nil, err
	}
	root, err := parseUnit(text)
	if err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	if inner := root.at("config"); inner != nil && root.at("listeners") == nil {
		root = inner // of the whole tree of the control socket
	}
	c := &unitConf{file: abs, root: root, targets: map[string]*unitApp{}}
	return c.apps()
}

// Detect tells Unit's JSON from other JSON.
func Detect(text []byte) bool {
	if !bytes.Contains(text, []byte(`"applications"`)) || !strings.HasPrefix(strings.TrimSpace(string(facts.WithoutComments(text))), "{") {
		return false
	}
	return bytes.Contains(text, []byte(`"listeners"`)) || bytes.Contains(text, []byte(`"type"`))
}
