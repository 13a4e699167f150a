package appdir

import (
	"encoding/json"
	"fmt"
)

// ParseDjango reads a django.json: an object of settings. An error tells line
// and column. path is for messages.
func ParseDjango(path string, data []byte) (map[string]any, error) {
	if err := checkJSON(path, data); err != nil {
		return nil, err
	}
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	settings, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("cannot read %s: it holds no object, want { \"SETTING\": value, … }", path)
	}
	return settings, nil
}
