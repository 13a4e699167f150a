package appspec

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Default returns the spec of an app of which nothing is known but its name and
// folder: every attribute as the table has it, without sockets.
func Default(name, path string) *Spec {
	s := blank()
	s.Name, s.Path = name, path
	return &s
}

// blank is the spec that Default copies; the caller owns all of it.
func blank() Spec {
	s := defaults()
	s.Request.TrustedHeaders = slices.Clone(s.Request.TrustedHeaders)
	return s
}

var defaults = sync.OnceValue(func() Spec {
	var s Spec
	fill(&s, "", 0)
	for i := range blocks {
		if !blocks[i].Many && blocks[i].open == nil {
			fill(&s, blocks[i].Path, 0)
		}
	}
	s.Workers.Min, s.Workers.Max = 1, 1
	return s
})

// fill gives the attributes of one block their defaults.
func fill(s *Spec, block string, i int) {
	for n := range attributes {
		a := &attributes[n]
		if a.at != nil && a.Default != "" && a.Block() == block {
			setText(a.at(s, i), a.Default)
		}
	}
}

// setText sets a field to a default of the table. The defaults are ours: a
// test proves that each of them can be read.
func setText(field any, text string) bool {
	var err error
	plain := strings.Trim(text, `"`)
	switch f := field.(type) {
	case *string:
		*f = plain
	case *bool:
		*f = plain == "true"
	case *int:
		*f, err = strconv.Atoi(plain)
	case *uint32:
		var v uint64
		v, err = strconv.ParseUint(plain, 8, 32)
		*f = uint32(v)
	case *uint64:
		*f, err = strconv.ParseUint(plain, 10, 64)
	case *float64:
		*f, err = strconv.ParseFloat(plain, 64)
	case *Duration:
		var d time.Duration
		d, err = time.ParseDuration(plain)
		*f = Duration(d)
	case *Size:
		*f, err = ParseSize(plain)
	case *[]string:
		*f = nil
		if text != "[]" {
			err = json.Unmarshal([]byte(text), f)
		}
	case *map[string]string:
		*f = nil
		return plain == "{}"
	case *map[string]any:
		*f = nil
		return plain == "{}"
	default:
		return false
	}
	return err == nil
}

// NewHTTPSocket returns an http block with its defaults.
func NewHTTPSocket(listen string) HTTPSocket {
	s := &Spec{Sockets: Sockets{HTTP: make([]HTTPSocket, 1)}}
	fill(s, "sockets.http", 0)
	s.Sockets.HTTP[0].Listen = listen
	return s.Sockets.HTTP[0]
}

// NewStatic returns a static block with its defaults.
func NewStatic() Static {
	s := &Spec{Static: make([]Static, 1)}
	fill(s, "static", 0)
	return s.Static[0]
}

// NewHealth returns a health block with its defaults.
func NewHealth(path string) *Health {
	s := &Spec{Health: &Health{}}
	fill(s, "health", 0)
	s.Health.Path = path
	return s.Health
}
