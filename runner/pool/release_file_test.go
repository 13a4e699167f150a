package pool

import (
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// An application in a file of app/ is that of the release that is rolled out: app leads to
// the one before until that has been done.
func TestAppOfRelease(t *testing.T) {
	for _, c := range []struct{ path, app, dir, want string }{
		{"/srv/wiki", "/srv/wiki/app/production.ini:admin", "releases/2", "/srv/wiki/releases/2/production.ini:admin"},
		{"/srv/wiki", "/srv/wiki/app/wiki.wsgi", "", "/srv/wiki/app/wiki.wsgi"},
		{"/srv/wiki", "/srv/wiki/application.wsgi", "releases/2", "/srv/wiki/application.wsgi"},
		{"/srv/wiki", "/etc/wiki/production.ini", "releases/2", "/etc/wiki/production.ini"},
		{"/srv/wiki", "wiki:app", "releases/2", "wiki:app"},
		{"/", "/app/wiki.wsgi", "releases/2", "/releases/2/wiki.wsgi"}, // with chroot
	} {
		spec := appspec.Default("wiki", c.path)
		spec.WSGIApp = c.app
		if c.dir != "" {
			spec.Release = &appspec.Release{ID: "2", Dir: c.dir}
		}
		if got := appOfRelease(spec); got != c.want {
			t.Errorf("%+v: got %s", c, got)
		}
	}
}
