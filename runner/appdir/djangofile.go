package appdir

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// parseDjango reads a django.json: an object of settings. An error tells line
// and column. Numbers come as json.Number, as they were written. path is for
// messages.
func parseDjango(path string, data []byte) (map[string]any, error) {
	if err := checkJSON(path, data); err != nil {
		return nil, err
	}
	var v any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	settings, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("cannot read %s: it is not a JSON object, expected { \"SETTING\": value, … }", path)
	}
	return settings, nil
}
