package deploy

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// Environment is what the spec says of the environment of a program that runs for an app, as
// a stage of its deploy: the app's own, its virtualenv, and the settings that a manage.py of a
// Django project is to find as its workers do, by django.json: a migration belongs to the
// database that they use. venv is the virtualenv, absolute, or empty; over is what counts
// more than all this; host makes the folder that goes before PYTHONPATH for those settings,
// nil: they are left out.
func Environment(spec *appspec.Spec, venv string, over map[string]string, host func() (string, error)) (map[string]string, error) {
	env := map[string]string{}
	maps.Copy(env, spec.Environ())
	if spec.Django != nil && spec.Django.Settings != "" {
		env["DJANGO_SETTINGS_MODULE"] = spec.Django.Settings
	}
	if venv != "" {
		env["VIRTUAL_ENV"] = venv
		env["PATH"] = filepath.Join(venv, "bin") + ":/usr/local/bin:/usr/bin:/bin"
	}
	maps.Copy(env, over)
	settings := spec.DjangoSettings()
	if len(settings) == 0 || host == nil {
		return env, nil
	}
	var text strings.Builder
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false) // what is secret in it is masked as it stands there
	if err := enc.Encode(settings); err != nil {
		return nil, fmt.Errorf("cannot pass the settings of django.json: %w", err)
	}
	dir, err := host()
	if err != nil {
		return nil, err
	}
	env["WSGID_DJANGO_JSON"] = strings.TrimSpace(text.String())
	env["PYTHONPATH"] = strings.TrimSuffix(dir+":"+env["PYTHONPATH"], ":")
	return env, nil
}
