package appdir

import (
	"maps"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// fleetPart is what wsgid has no name for: the spec in its JSON form, but for what
// is said by wsgid's own options, or by where the file lies. Those attributes are
// shadowed by empty ones, which are left out.
type fleetPart struct {
	Managed    bool   `json:"managed"`
	DjangoJSON string `json:"django_json,omitempty"` // digest of the django.json that comes with it
	*appspec.Spec

	Path       string            `json:"path,omitempty"`
	File       string            `json:"file,omitempty"`
	WSGIApp    string            `json:"wsgi_app,omitempty"`
	LoaderDirs []string          `json:"loader_dirs,omitempty"`
	Env        map[string]string `json:"env,omitempty"`
	Chroot     bool              `json:"chroot,omitempty"`
	Debug      bool              `json:"debug,omitempty"`

	Loader  string          `json:"loader,omitempty"`
	Sockets appspec.Sockets `json:"sockets"`
	Workers fleetWorkers    `json:"workers"`
	Django  *appspec.Django `json:"django,omitempty"`

	// A master and wsgid have no use for them, and an app none for the
	// administrator of its database.
	Deploy   *appspec.Deploy   `json:"deploy,omitempty"`
	Database *appspec.Database `json:"database,omitempty"`

	// Its environment is in envs, its settings in django.json.
	Made      *appspec.Made   `json:"made,omitempty"`
	Sensitive map[string]bool `json:"sensitive,omitempty"`
}

// fleetWorkers is the workers block likewise.
type fleetWorkers struct {
	*appspec.Workers
	Min       *int `json:"min,omitempty"`
	Max       *int `json:"max,omitempty"`
	KeepAlive bool `json:"keep_alive,omitempty"`
}

// newFleetPart is the part of a spec; django is the django.json that comes with it.
func newFleetPart(spec *appspec.Spec, django []byte) *fleetPart {
	part := &fleetPart{
		Managed: true, DjangoJSON: ourMark(django).django, Spec: spec,
		Loader: spec.Loader, Sockets: spec.Sockets, Workers: fleetWorkers{Workers: &spec.Workers},
		Sensitive: spec.Sensitive,
	}
	if spec.Made != nil {
		part.Sensitive = maps.Clone(spec.Sensitive)
		if part.Sensitive == nil {
			part.Sensitive = map[string]bool{}
		}
		for k := range spec.Made.Env {
			part.Sensitive[appspec.KeyPath("env", k)] = true
		}
	}
	if w := &spec.Workers; w.Min != w.Max {
		part.Workers.Min, part.Workers.Max = &w.Min, &w.Max
	}
	if part.Loader == "django" {
		part.Loader = ""
	}
	if len(part.Sockets.Mongrel2) > 0 {
		part.Sockets.Mongrel2 = part.Sockets.Mongrel2[1:]
	}
	if spec.Django != nil {
		d := *spec.Django
		d.Overrides = nil // they are in django.json
		part.Django = &d
	}
	return part
}
