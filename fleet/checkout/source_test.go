package checkout

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDefinitions(t *testing.T) {
	for source, want := range map[string]string{
		"app = Flask(__name__)":                                      "1 app known",
		"app: Flask = flask.Flask(__name__)":                         "1 app known",
		"application = get_wsgi_application()":                       "1 application known",
		"'''\napp = Flask(x)\n'''\napi = falcon.App()":               "4 api known",
		"x = \"it's\" # app = Flask(x)\napp = Flask(x)":              "2 app known",
		"if True:\n    app = Flask(x)":                               "",
		"def create_app(config=None, *, debug=False): pass":          "1 create_app factory",
		"def create_app(config): pass":                               "",
		"async def app(scope, receive, send): pass":                  "1 app asgi",
		"app = FastAPI()":                                            "1 app asgi",
		"app = typer.Typer()":                                        "",
		"def application(environ, start_response): pass":             "1 application known",
		"def application(e, s): pass":                                "1 application known",
		"def application(request): pass":                             "",
		"def mapping(a, b): pass":                                    "",
		"from blog import create_app, app as application\nother = 1": "1 application",
		"app == Flask(x)":                                            "",
		"text = 'app = Flask(x)\napp = Flask(y)":                     "2 app known",
		"doc = \"\"\"a\\\"\"\" app = Flask(x)\"\"\"\napp = Bottle()": "2 app known",
		"application = DispatcherMiddleware(app, {'/x': other})":     "1 application",
	} {
		var got []string
		for _, d := range definitions(source) {
			words := []string{fmt.Sprint(d.line), d.name}
			for word, is := range map[string]bool{"known": d.known, "factory": d.factory, "asgi": d.asgi} {
				if is {
					words = append(words, word)
				}
			}
			got = append(got, strings.Join(words, " "))
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%q: got %q, want %q", source, got, want)
		}
	}
}

func TestParseCommand(t *testing.T) {
	for command, want := range map[string]string{
		"gunicorn blog.wsgi":                                         "blog.wsgi:application",
		"gunicorn -w 4 -b 0.0.0.0:$PORT blog:app":                    "blog:app workers 4",
		"gunicorn --workers=2 --threads 8 -t 30 'blog:create_app()'": "blog:create_app() workers 2 threads 8 timeout 30",
		"PYTHONPATH=. exec venv/bin/gunicorn -w4 --preload blog:app": "blog:app workers 4",
		"python -m gunicorn --chdir src blog:app":                    "blog:app in src",
		"waitress-serve --port=80 --call blog:create_app":            "blog:create_app()",
		"uwsgi --http :80 --module blog.wsgi --processes 3":          "blog.wsgi:application workers 3",
		"gunicorn blog:app -w4":                                      "blog:app workers 4",
		"waitress-serve --call blog:make_app":                        "blog:make_app()",
		"uwsgi --http :80 -w blog:app":                               "blog:app",
		"gunicorn -k uvicorn.workers.UvicornWorker blog:app":         "blog:app asgi",
		"uvicorn blog:app":                                           "blog:app asgi",
		"gunicorn 'blog:create_app(\"prod\")'":                       "no",
		"node server.js":                                             "no",
		"":                                                           "no",
	} {
		s, ok := parseCommand(command)
		got := s.app
		for _, part := range [][2]string{{" workers ", s.workers}, {" threads ", s.threads}, {" timeout ", s.timeout}, {" in ", s.chdir}} {
			if part[1] != "" {
				got += part[0] + part[1]
			}
		}
		if s.asgi {
			got += " asgi"
		}
		if !ok {
			got = "no"
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", command, got, want)
		}
	}
}

// What is no text is passed over: a FIFO holds nobody up, a link that leaves the
// checkout leads nowhere.
func TestHostileCheckout(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mkfifo(dir+"/wsgi.py", 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/../outside.py", []byte("app = Flask(x)\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../outside.py", dir+"/main.py"); err != nil {
		t.Fatal(err)
	}
	if found, err := Look(dir, ""); err == nil || !strings.Contains(err.Error(), "it is not a checkout of a WSGI application") {
		t.Errorf("got %+v, %v", found, err)
	}
}
