package runner

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// namedHostApp answers one name alone, as an application with virtual hosts does.
const namedHostApp = `
def application(environ, start_response):
    if environ["HTTP_HOST"] != "shop.example.org:81" or environ["SERVER_NAME"] != "shop.example.org" or environ["SERVER_PORT"] != "81":
        start_response("400 Bad Request", [])
        return [b"not this host"]
    start_response("200 OK", [])
    return [b"fine"]
`

func healthOf(host string) func(*appspec.Spec) {
	return func(s *appspec.Spec) {
		s.Health = appspec.NewHealth("/healthz/")
		s.Health.Host = host
		s.Health.Interval = appspec.Duration(50 * time.Millisecond)
		s.Health.Timeout = appspec.Duration(patience) // what is slow is not ill
	}
}

func TestHealthCheckNamesTheHost(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, namedHostApp, healthOf("shop.example.org:81"))
	h := a.start(StateReady)
	st := a.wait(h, func(st Status) bool { return st.Health != nil })
	if !st.Health.OK {
		t.Errorf("health is %+v", st.Health)
	}
	// It is live; what is refused says what to do.
	next := *a.spec
	healthOf("")(&next)
	if err := h.Update(a.ctx(), &next, 2, false); err != nil {
		t.Fatal(err)
	}
	a.mustLogLine("health check failed", "400 in ", "with Host localhost; set health.host for another one")
}

// Django answers 400 to a name that is not in ALLOWED_HOSTS: without health.host
// it is asked by one that is.
func TestHealthCheckOfDjango(t *testing.T) {
	for i, allowed := range []string{`"shop.example.org", "b.example.org"`, `".example.org"`, `"localhost"`, `"*"`} {
		t.Run(strings.Trim(allowed, `".*`), func(t *testing.T) {
			t.Parallel()
			code := fmt.Sprintf(`
import django
from django.conf import settings
settings.configure(DEBUG=False, SECRET_KEY="x", ROOT_URLCONF=__name__, ALLOWED_HOSTS=[%s], MIDDLEWARE=["django.middleware.common.CommonMiddleware"])
django.setup()
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
urlpatterns = [path("healthz/", lambda request: HttpResponse("fine"))]
application = get_wsgi_application()
`, allowed)
			a := newTestApp(t, code, func(s *appspec.Spec) {
				s.Python = "/usr/bin/python3"
				s.Workers.Preload = i == 0
				healthOf("")(s)
			})
			h := a.start(StateReady)
			if st := a.wait(h, func(st Status) bool { return st.Health != nil }); !st.Health.OK {
				t.Errorf("health is %+v", st.Health)
			}
		})
	}
}

// A health check is below the mount point of the spec, as requests are: an application may
// take the first one that it sees for all times.
func TestHealthCheckHasTheMountPoint(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, `
def application(environ, start_response):
    right = (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/shop", "/healthz/")
    start_response("200 OK" if right else "400 Bad Request", [])
    return []
`, func(s *appspec.Spec) {
		healthOf("")(s)
		s.ScriptName = "/shop"
	})
	h := a.start(StateReady)
	if st := a.wait(h, func(st Status) bool { return st.Health != nil }); !st.Health.OK {
		t.Errorf("health is %+v", st.Health)
	}
}
