package doctor

import (
	"context"
	"os"
	"slices"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// The gate's listeners and certificates are looked at as an app's, and so are those of an
// app for its names and those that the daemon gets.
func TestLookAtAGate(t *testing.T) {
	dir := t.TempDir()
	pair := func(name string) *appspec.TLS { return &appspec.TLS{Cert: dir + "/" + name, Key: dir + "/" + name} }
	front := &appspec.Spec{Name: appspec.GateName, Enabled: true, Gate: &appspec.Gate{}}
	front.Sockets.HTTP = []appspec.HTTPSocket{{Listen: "0.0.0.0:80"}, {Listen: "0.0.0.0:443", TLS: pair("gate.pem")}, {Listen: "[::]:443", TLS: &appspec.TLS{}}}
	blog := &appspec.Spec{Name: "blog", Hosts: []string{"blog.test"}, TLS: pair("blog.pem"), Path: dir}
	f := Look(context.Background(), Fleet{
		Specs: map[string]*appspec.Spec{front.Name: front, "blog": blog}, Masters: map[string][]int{front.Name: {7}},
		Managed: map[string][]Certificate{"blog": {{File: "got.pem"}}}, State: dir, Data: dir, System: os.DirFS(dir),
	})
	files := func(a App) (out []string) {
		for _, c := range a.Certs {
			out = append(out, c.File)
		}
		return out
	}
	i := slices.IndexFunc(f.Apps, func(a App) bool { return a.Name == front.Name })
	gate, app := f.Apps[i], f.Apps[1-i]
	if !slices.Equal(gate.Listen, []string{"0.0.0.0:80", "0.0.0.0:443", "[::]:443"}) || !slices.Equal(gate.Masters, []int{7}) || !slices.Equal(files(gate), []string{dir + "/gate.pem"}) {
		t.Errorf("%+v", gate)
	}
	if !slices.Equal(files(app), []string{dir + "/blog.pem", "got.pem"}) || app.Certs[0].Trouble == "" {
		t.Errorf("%+v", app)
	}
}
