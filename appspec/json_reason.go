package appspec

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// JSONReason says for people why JSON could not be read: encoding/json names the Go
// type that a value was to become. What is not of that kind is returned as it is.
func JSONReason(err error) error {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		what := "it"
		if e.Field != "" {
			what = fmt.Sprintf("%q", e.Field)
		}
		kind, detail, _ := strings.Cut(e.Value, " ")
		want := jsonKind(e.Type)
		switch {
		case detail != "": // "number 1.5"
			return fmt.Errorf("%s cannot be %s", what, detail)
		case want == "":
			return fmt.Errorf("%s cannot be %s", what, jsonValue(kind))
		default:
			return fmt.Errorf("%s is %s, not %s", what, jsonValue(kind), want)
		}
	}
	if e, ok := errors.AsType[*time.ParseError](err); ok {
		return fmt.Errorf("%q is not a time as in %s", strings.Trim(e.Value, `"`), `"2026-01-31T12:00:00Z"`)
	}
	return err
}

// jsonKind is what JSON has for values of a type; empty: that depends.
func jsonKind(t reflect.Type) string {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == nil:
		return ""
	case t == reflect.TypeFor[time.Time]():
		return "a time"
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Interface, reflect.Func, reflect.Chan, reflect.UnsafePointer, reflect.Complex64, reflect.Complex128, reflect.Invalid:
		return ""
	default:
		return "a number"
	}
}

// jsonValue is a kind of value as encoding/json calls it.
func jsonValue(kind string) string {
	switch kind {
	case "bool":
		return "true or false"
	case "array", "object":
		return "an " + kind
	default:
		return "a " + kind
	}
}
