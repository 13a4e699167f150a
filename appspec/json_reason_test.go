package appspec

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestJSONReason(t *testing.T) {
	type part struct {
		Count int                `json:"count"`
		Small uint8              `json:"small"`
		At    time.Time          `json:"at"`
		Names []string           `json:"names"`
		On    bool               `json:"on"`
		Rest  map[string]float64 `json:"rest"`
		Text  *string            `json:"text"`
		Time  Duration           `json:"time"`
	}
	for text, want := range map[string]string{
		`[]`:                            `it is an array, not an object`,
		`"x"`:                           `it is a string, not an object`,
		`7`:                             `it is a number, not an object`,
		`true`:                          `it is true or false, not an object`,
		`{"a": {"count": "x"}}`:         `"a.count" is a string, not a number`,
		`{"a": {"count": 1.5}}`:         `"a.count" cannot be 1.5`,
		`{"a": {"small": 300}}`:         `"a.small" cannot be 300`,
		`{"a": {"names": {}}}`:          `"a.names" is an object, not an array`,
		`{"a": {"names": [1]}}`:         `"a.names" is a number, not a string`,
		`{"a": {"on": 1}}`:              `"a.on" is a number, not true or false`,
		`{"a": {"rest": []}}`:           `"a.rest" is an array, not an object`,
		`{"a": {"text": []}}`:           `"a.text" is an array, not a string`,
		`{"a": {"at": "soon"}}`:         `"soon" is not a time as in "2026-01-31T12:00:00Z"`,
		`{"a": {"at": "2026-13-01T00"}`: `unexpected end of JSON input`,
		`{"a": `:                        `unexpected end of JSON input`,
	} {
		var v struct {
			A part `json:"a"`
		}
		err := json.Unmarshal([]byte(text), &v)
		if err == nil {
			t.Errorf("%s: no error", text)
			continue
		}
		got := JSONReason(err).Error()
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
		if strings.Contains(got, "Go ") || strings.Contains(got, "appspec") {
			t.Errorf("%s: names a type of ours: %q", text, got)
		}
	}
	if JSONReason(nil) != nil {
		t.Error("no error became one")
	}
}
