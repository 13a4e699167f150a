package appspec

import (
	"sort"
	"strings"
	"sync"
)

// Type is the type of an attribute's value.
type Type int

// The types of the language.
const (
	TypeString   Type = iota
	TypeBool          // true or false
	TypeInt           // a whole number
	TypeFloat         // a number
	TypeDuration      // a string in Go's syntax
	TypeSize          // a string with a unit, or a number of bytes
	TypeMode          // permission bits as a string of octal digits
	TypeList          // a list of strings
	TypeMap           // a map of strings
	TypeObject        // an object of any values
)

func (t Type) String() string {
	switch t {
	case TypeBool:
		return "bool"
	case TypeInt:
		return "whole number"
	case TypeFloat:
		return "number"
	case TypeDuration:
		return "duration"
	case TypeSize:
		return "size"
	case TypeMode:
		return "file mode"
	case TypeList:
		return "list of strings"
	case TypeMap:
		return "map of strings"
	case TypeObject:
		return "object"
	default:
		return "string"
	}
}

// Attribute is one row of the table.
type Attribute struct {
	Path       string // from the app block down: "workers.count"
	Type       Type
	Default    string     // as HCL; empty: not set, or as Doc says
	Disruption Disruption // what a change costs
	Doc        string     // one line for the reference page
	Example    string     // as HCL; what a diagnostic suggests to write. Empty: Default

	// Allowed values. Min and Max are in units, nanoseconds or bytes; both 0: any.
	Min, Max float64
	Zero     bool     // 0 is allowed besides Min … Max, and means what Doc says
	OneOf    []string // the only allowed strings
	Form     string   // the allowed form in words, where check knows more than the fields above
	check    func(string) (instead string, ok bool)

	// Built tells that the product does what the attribute asks for. While it is
	// false, values whose HCL text starts with Unbuilt (all values, where that is
	// empty) are refused.
	Built   bool
	Unbuilt string

	Required   bool // in its block
	NoDefaults bool // may not stand in a defaults block
	RootOnly   bool // may stand in a defaults block only

	// at returns a pointer to the field of the spec, nil where its block is not
	// there. i counts repeated blocks.
	at func(s *Spec, i int) any
}

// Name is the last part of the path.
func (a *Attribute) Name() string { return a.Path[strings.LastIndexByte(a.Path, '.')+1:] }

// Block is the path without the name; empty for attributes of the app itself.
func (a *Attribute) Block() string { return parent(a.Path) }

// Block is one kind of block inside an app.
type Block struct {
	Path       string
	Many       bool // may stand any number of times
	NoDefaults bool
	Built      bool
	Doc        string
	// open makes the block in the spec, where its being there says something.
	open func(s *Spec, i int)
}

// Name is the last part of the path.
func (b *Block) Name() string { return b.Path[strings.LastIndexByte(b.Path, '.')+1:] }

func parent(path string) string {
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return ""
	}
	return path[:i]
}

// Attributes is the table, in the order of the reference page. It is shared:
// change nothing in it.
func Attributes() []Attribute { return attributes }

// Blocks is the table of blocks, in the order of the reference page.
func Blocks() []Block { return blocks }

// lookup is the table by path and by block.
type lookup struct {
	attribute map[string]*Attribute
	block     map[string]*Block
	within    map[string][]string // names of attributes and blocks by the path of their block, sorted
}

var table = sync.OnceValue(func() *lookup {
	l := &lookup{
		attribute: make(map[string]*Attribute, len(attributes)),
		block:     make(map[string]*Block, len(blocks)),
		within:    make(map[string][]string),
	}
	for i := range attributes {
		a := &attributes[i]
		l.attribute[a.Path] = a
		l.within[a.Block()] = append(l.within[a.Block()], a.Name())
	}
	for i := range blocks {
		b := &blocks[i]
		l.block[b.Path] = b
		l.within[parent(b.Path)] = append(l.within[parent(b.Path)], b.Name())
	}
	for _, names := range l.within {
		sort.Strings(names)
	}
	return l
})

// join adds a name to the path of a block.
func join(block, name string) string {
	if block == "" {
		return name
	}
	return block + "." + name
}
