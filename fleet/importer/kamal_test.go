package importer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// kamalFiles is a project that kamal deploys, with a destination.
var kamalFiles = map[string]string{
	"config/deploy.yml": `<% require "dotenv" %>
service: shop
image: acme/shop
x-env: &common
  MODE: live
  BOTH: first
servers:
  web:
    hosts:
      - 192.0.2.1
      - 192.0.2.2: eu
    options:
      memory: 2g
      cpus: 1.5
      add-host: a:b
  jobs:
    hosts: [192.0.2.3]
    cmd: celery -A shop worker -l info
    env:
      clear:
        QUEUE: mail
        MODE: live
  mailer:
    cmd: python /app/mailer.py
    stop_timeout: 90
  clock:
    cmd: bash -c "cat config/crontab | crontab - && cron -f"
  flower:
    cmd: gunicorn other:app
  bare:
    hosts: [192.0.2.3]
proxy:
  ssl: true
  hosts:
    - shop.example.org
    - www.example.org
  app_port: 8000
  healthcheck:
    path: /health/
    interval: 3
    timeout: 15
  response_timeout: 10
  forward_headers: true
  buffering:
    max_request_body: 40_000_000
registry:
  password:
    - REGISTRY
builder:
  arch: amd64
  args:
    VERSION: <%= %x(git rev-parse HEAD) %>
# a comment: <%= nothing %>
env:
  clear:
    <<: *common
    BOTH: second
    RELEASE: <%= ENV["RELEASE"] %>
    DEBUG: false
    MEDIA: /app/media
  secret:
    - SECRET_KEY
    - DATABASE_URL
    - DB_PASSWORD:POSTGRES_PASSWORD
    - STRIPE
    - NOWHERE
    - PEM
    - LAST
  tags:
    eu:
      REGION: eu
volumes:
  - /srv/media:/app/media
  - store:/app/store:ro
drain_timeout: 20
deploy_timeout: 45
retain_containers: 3
logging:
  driver: json-file
  options:
    max-size: 10m
    max-file: 3
aliases:
  shell: app exec -i bash
colour: blue
accessories:
  db:
    image: postgres:16
    port: "127.0.0.1:5432:5432"
  redis:
    image: redis:7
`,
	"config/deploy.staging.yml": "servers:\n  web:\n    hosts: [198.51.100.1]\nproxy:\n  ssl: false\n  hosts: [staging.example.org]\nenv:\n  clear:\n    MODE: test\n",
	"config/master.key":         "abc\n",
	".kamal/secrets":            "# of kamal\nREGISTRY=$REGISTRY\nSECRET_KEY=$(cat config/master.key)\nDATABASE_URL=$DATABASE_URL\nPOSTGRES_PASSWORD='pa$s'\nSTRIPE=$(op read op://x)\nPEM=\"-----BEGIN\nOTHER=x\n\\\"-----\" # a key\nOPEN='it\nLAST=end\n",
	".kamal/secrets-common":     "STRIPE=common\nPLAIN=x\n",
	".kamal/secrets.staging":    "export SECRET_KEY=\"of ${PLAIN} staging\" # note\n",
	".kamal/hooks/pre-deploy":   "#!/bin/sh\n",
	".kamal/hooks/post.sample":  "",
	"app/__init__.py":           "",
	"Dockerfile": `FROM python:3.12-slim AS base
ENV PYTHONUNBUFFERED=1 \
    # between
    PYTHONPATH=/app PLACE=$PYTHONUNBUFFERED/x
WORKDIR /app
FROM base AS build
RUN make all
FROM base
RUN --mount=type=cache,target=/x apt-get update && \
    apt-get install -y libpq5 && rm -rf /x
RUN pip install -r requirements.txt && python3 -m pip check && python -m compileall .
RUN ["npm", "ci"]
RUN python manage.py collectstatic --noinput
RUN python build.py && python -m shop.assets
CMD ["forgotten"]
ENTRYPOINT ["./docker-entrypoint.sh"]
CMD ["gunicorn", "--chdir", "src", "shop.wsgi:application", "--bind", "0.0.0.0:8000", "--workers", "3"]
`,
}

func TestKamal(t *testing.T) {
	dir := peertest.WriteFiles(t, kamalFiles)
	all, err := Import(facts.Options{LookupEnv: func(string) (string, bool) { return "", false }}, dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || all[0].Name != "shop" || all[1].Name != "shop-staging" {
		t.Fatalf("%v", all)
	}
	holds(t, string(all[0].Text),
		`wsgi_app = "shop.wsgi:application" # Dockerfile:17: shop.wsgi:application`, `code = "src" # Dockerfile:17: --chdir src, below a release of a deploy`, "count = 3 # Dockerfile:17: --workers 3",
		`hosts = ["shop.example.org", "www.example.org"] # deploy.yml:35: proxy.host:`, `working_directory = "app/src"`, "!PYTHONPATH =", "!sockets {", "!trusted_proxies =", "!virtualenv",
		"image: acme/shop: not carried over: an image is not run, its code comes from git here: name the repository in deploy",
		`MODE = "live"`, `BOTH = "second"`, `DEBUG = "false"`, "!RELEASE =", `PYTHONUNBUFFERED = "1"`, `PLACE = "/x"`, "!QUEUE =", "!REGISTRY",
		`SECRET_KEY = file("secrets/shop/SECRET_KEY")`, `DB_PASSWORD = file("secrets/shop/DB_PASSWORD")`,
		`DATABASE_URL = trimspace(file("secrets/shop/DATABASE_URL"))`, `STRIPE = trimspace(file("secrets/shop/STRIPE"))`, `NOWHERE = trimspace(file("secrets/shop/NOWHERE"))`,
		"secrets:4: env.secret: DATABASE_URL, which kamal gets by $DATABASE_URL: not carried over: write the value into secrets/shop/DATABASE_URL beside the spec",
		"secrets:6: env.secret: STRIPE, which kamal gets by $(op read op://x): not carried over", "NOWHERE, of which the secrets say nothing",
		`deploy.yml:1: <% require "dotenv" %>: not carried over: it is Ruby (ERB), which is not run`, "deploy.yml:58: env.clear.RELEASE: not carried over: Ruby (ERB) says what it is", "deploy.yml:52: builder.args.VERSION", "!<%= nothing",
		"MEDIA: not carried over: /app/media is a path of the image", "env.tags: eu: not carried over",
		`request_timeout = "10s" # deploy.yml:42: proxy.response_timeout: 10`, `stop_timeout = "20s"`, `start_timeout = "45s"`, `max_body = "40MB"`,
		`health { path = "/health/" # deploy.yml:39: proxy.healthcheck.path: /health/`, `timeout = "15s"`, `interval = "15s"`,
		"proxy.forward_headers: true: not carried over", "kamal-proxy brought requests by these names", "X-Forwarded-Proto",
		`listen = "*:80"`, `redirect = "https"`, `# acme { # email = "you@example.org"`,
		`limits { memory = "2GiB"`, "cpu = 1.5", "servers.web.options.add-host: a:b: not carried over", `log { max_size = "10MiB"`, "keep = 3",
		"servers: 192.0.2.1, 192.0.2.2: kamal ran it on each of 2 hosts", `process "jobs" { command = ["celery", "-A", "shop", "worker", "-l", "info"] stop_timeout = "20s"`,
		"here where the server went, app/src: name its files from there", "servers.jobs: 192.0.2.3: it ran on other hosts than web", "servers.jobs.env: QUEUE: not carried over",
		`process "mailer" { command = ["python", "/app/mailer.py"] stop_timeout = "90s"`, "/app/mailer.py is a path of the image",
		"servers.clock.cmd: bash -c \"cat config/crontab | crontab - && cron -f\": not carried over: it runs cron: write a schedule", "servers.flower.cmd: gunicorn other:app: not carried over: it is a server too",
		"servers.bare: not carried over: it has no cmd", "accessories.db: postgres:16: not carried over: it is no app", `database { kind = "postgresql"`, "accessories.redis: redis:7", "shop-redis, its name in Docker's network",
		"volumes: /srv/media:/app/media: not carried over: the app sees the host's own folders", "below /var/lib/docker/volumes/store/_data", "(it was read-only)",
		"retain_containers: 3: not carried over: how many releases are kept is said by keep of the deploy block", "aliases: shell", "colour: not carried over: kamal knows no such key either",
		"hook pre-deploy: not carried over", "!post.sample", "RUN apt-get install -y libpq5: not carried over: what the image had installed the hosts have to have", "RUN [\"npm\", \"ci\"]: not carried over", "!make all", "!pip install",
		"RUN python build.py && python -m shop.assets: not carried over: a command before a release is a stage", "RUN python manage.py collectstatic --noinput: not carried over: a command before a release is a stage", `ENTRYPOINT ["./docker-entrypoint.sh"]: not carried over`, "FROM python:3.12-slim: the image had this Python",
		"deploy.yml: files of destinations lie beside it")
	for name, want := range map[string]string{"SECRET_KEY": "abc", "DB_PASSWORD": "pa$s", "PEM": "-----BEGIN\nOTHER=x\n\"-----", "LAST": "end", "DATABASE_URL": "", "STRIPE": ""} {
		if got := all[0].Secrets["secrets/shop/"+name]; got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	holds(t, string(all[1].Text), `app "shop-staging" {`, `hosts = ["staging.example.org"] # deploy.staging.yml:6:`, `MODE = "test"`, `BOTH = "second"`, "!redirect = \"https\"", "!acme {", "!kamal ran it on each of")
	for name, want := range map[string]string{"SECRET_KEY": "of x staging", "STRIPE": "common"} {
		if got := all[1].Secrets["secrets/shop-staging/"+name]; got != want {
			t.Errorf("%s of staging is %q, want %q", name, got, want)
		}
	}
	one := importOne(t, facts.Options{LookupEnv: func(name string) (string, bool) { return "postgres://h/d", name == "DATABASE_URL" }}, filepath.Join(dir, "config/deploy.yml"))
	if got := one.Secrets["secrets/shop/DATABASE_URL"]; got != "postgres://h/d" {
		t.Errorf("DATABASE_URL of this shell is %q", got)
	}
	holds(t, string(one.Text), "secrets:4: env.secret: DATABASE_URL: its value is that of $DATABASE_URL in this shell", "!$POSTGRES_PASSWORD in this shell")
}

// Small configurations, each with what is said of it.
func TestKamalCases(t *testing.T) {
	const head = "service: shop\nimage: a/shop\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"a list of servers": {map[string]string{"config/deploy.yml": head + "servers:\n  - 192.0.2.1\n"},
			[]string{`listen = "0.0.0.0:80"`, "kamal-proxy brought all requests here that no other app of the host has a name for", `health { path = "/up" # kamal: kamal-proxy's default`, `request_timeout = "30s"`, `max_body = "1GiB" # kamal: kamal-proxy's default`,
				"and the module of the application in wsgi_app: no Dockerfile is here that says what the image starts", "no application is named: write wsgi_app"}},
		"a server in cmd": {map[string]string{"config/deploy.yml": head + "servers:\n  app:\n    hosts: [h]\n    cmd: bash -c 'exec gunicorn shop:app -t 5'\n    env: {A: 1}\nprimary_role: app\nproxy: {host: 'a.example,b.example', ssl: {certificate_pem: CERT, private_key_pem: KEY}, ssl_redirect: false, path_prefix: /api}\n"},
			[]string{`wsgi_app = "shop:app"`, `request_timeout = "5s"`, `A = "1"`, `hosts = ["a.example", "b.example"]`, "proxy.ssl: CERT, KEY: not carried over: its certificate is among the secrets", "# tls {}", "!redirect", `script_name = "/api"`, "proxy.path_prefix: /api: not carried over: a gate goes by names alone"}},
		"a Dockerfile without a server": {map[string]string{"config/deploy.yml": head + "servers: [h]\nbuilder:\n  dockerfile: docker/Dockerfile\n", "docker/Dockerfile": "FROM node:22\nCMD node server.js\n"},
			[]string{"Dockerfile:2: CMD node server.js starts no WSGI server that is known here"}},
		"uv": {map[string]string{"config/deploy.yml": head + "servers:\n  web: [h]\n  jobs:\n    cmd: uv run celery -A shop worker\n", "Dockerfile": "FROM python:3.12\nRUN curl -L https://example.org/install.sh | sh && uv sync --frozen\nRUN SECRET_KEY=x MODE=build uv run python manage.py collectstatic\nRUN DATABASE_URL=x uv run manage.py compilemessages\nCMD uv run gunicorn shop:app --workers ${WEB_CONCURRENCY:-2}\n"},
			[]string{`wsgi_app = "shop:app"`, "count = 2", "!write virtualenv", `process "jobs" { command = ["celery", "-A", "shop", "worker"] }`, "RUN curl -L https://example.org/install.sh | sh && uv sync --frozen: not carried over"}},
		"a script in CMD": {map[string]string{"config/deploy.yml": head + "servers: [h]\n", "Dockerfile": "FROM python:3.12\nWORKDIR /app\nCMD [\"./start.sh\"]\n", "start.sh": "#!/bin/sh\npython manage.py migrate\nexec gunicorn shop:app -w 2\n"},
			[]string{`wsgi_app = "shop:app"`, "count = 2", "python manage.py migrate"}},
		"without buffering, without a limit": {map[string]string{"config/deploy.yml": head + "servers: [h]\nproxy:\n  buffering:\n    requests: false\n    max_request_body: 0\n    max_response_body: 9\n"},
			[]string{"buffering = false", `max_body = "1PiB"`, "proxy.buffering.max_response_body: 9: not carried over"}},
		"no proxy": {map[string]string{"config/deploy.yml": head + "servers:\n  web:\n    hosts: [h]\n    proxy: false\n"}, []string{"servers.web.proxy: false: nothing brought requests to it", "!health", "!max_body"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := peertest.WriteFiles(t, c.files)
			holds(t, string(importOne(t, facts.Options{LookupEnv: func(string) (string, bool) { return "", false }}, filepath.Join(dir, "config/deploy.yml")).Text), c.want...)
		})
	}
}

// A configuration that cannot be read says where, and what Ruby has to do with it.
func TestKamalFaults(t *testing.T) {
	for text, want := range map[string]string{
		"service: shop\nimage: [\n": "did not find expected node content",
		"service: shop\n<% if true %>\n  a: 1\n <% end %>\n b: 2\nimage: x: y\n": "Ruby writes parts of it (ERB), which is not run: write what it says in their places",
		"service: shop\n---\n": "",
	} {
		dir := peertest.WriteFiles(t, map[string]string{"config/deploy.yml": text})
		_, err := Import(facts.Options{}, dir)
		if want == "" && err == nil {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "deploy.yml") {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	// Aliases that make a heap of a line.
	text := "service: shop\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 8 {
		text += strings.NewReplacer("B", string(rune('1'+i)), "A", string(rune('0'+i))).Replace("aB: &aB [*aA, *aA, *aA, *aA, *aA, *aA, *aA, *aA, *aA, *aA]\n")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "deploy.yml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Import(facts.Options{}, filepath.Join(dir, "deploy.yml")); err == nil || !strings.Contains(err.Error(), "its aliases make more of it than a configuration is") {
		t.Error(err)
	}
}
