package importer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// Services of an app's user and folder that start no web server become its processes.
func TestServicesBesideAService(t *testing.T) {
	const of = "User=daemon\nWorkingDirectory=/srv/blog\n"
	dir := peertest.WriteFiles(t, map[string]string{
		"blog.service":    "[Service]\n" + of + "Environment=A=1\nExecStart=/usr/bin/gunicorn -b :8000 blog:app\n",
		"celery.service":  "[Unit]\nPartOf=blog.service\n[Service]\n" + of + "Environment=A=0\nEnvironment=A=1 B=2\nRestart=always\nKillSignal=SIGINT\nTimeoutStopSec=600\nNice=5\nExecStart=/srv/blog/venv/bin/celery -A blog worker -n ${A}\n",
		"bot.service":     "[Service]\n" + of + "ExecStart=/srv/blog/venv/bin/python bot.py\n",
		"api.service":     "[Service]\n" + of + "ExecStart=/bin/sh -c 'exec gunicorn -b :8001 api:app'\n",
		"job.service":     "[Service]\nType=oneshot\n" + of + "ExecStart=/bin/true\n",
		"timed.service":   "[Service]\n" + of + "ExecStart=/bin/true\n",
		"timed.timer":     "[Timer]\nOnCalendar=hourly\n",
		"foreign.service": "[Service]\nUser=daemon\nWorkingDirectory=/srv/shop\nExecStart=/bin/foreign\n",
		"root.service":    "[Unit]\nBindsTo=blog.service\n[Service]\nWorkingDirectory=/srv/blog\nExecStart=/bin/root\n",
		"worker@.service": "[Service]\n" + of + "ExecStart=/bin/worker %i\n",
	})
	imp := importOne(t, facts.Options{}, filepath.Join(dir, "blog.service"))
	holds(t, string(imp.Text),
		`process "celery" { command = ["/srv/blog/venv/bin/celery", "-A", "blog", "worker", "-n", "1"] stop_signal = "INT" stop_timeout = "10m" }`,
		"# celery.service:7: B of celery.service: not carried over", "!A of celery.service",
		"celery.service:11: Nice=5 of celery.service: not carried over: all that runs of an app has the app's settings", "!PartOf=blog.service of",
		"celery.service:12: the app has it as a process: disable celery.service, or it runs twice",
		`process "bot" { command = ["/srv/blog/venv/bin/python", "bot.py"] }`, "Restart=no of bot.service: a process is started again whenever it ends",
		`!process "api"`, `!process "job"`, `!process "timed"`, `schedule "timed"`, "!foreign", `!process "root"`,
		"root.service:5: root.service: not carried over: it stops with the app, but has another user or another WorkingDirectory than it, and a process has the app's: leave it to systemd",
		"worker@.service:4: worker@.service: not carried over: it is a template: write a process for what its instances run, with count where they are alike")
}

// What lies beside two web services of one user and folder is of one app, and told of the
// other one: it would run twice.
func TestServicesBesideTwoWebServices(t *testing.T) {
	const of = "User=daemon\nWorkingDirectory=/srv/shop\n"
	dir := peertest.WriteFiles(t, map[string]string{
		"shop.service":         "[Service]\n" + of + "ExecStart=/usr/bin/gunicorn -b :8000 shop:app\n",
		"shop-admin.service":   "[Service]\n" + of + "ExecStart=/usr/bin/gunicorn -b :8001 admin:app\n",
		"shop-worker.service":  "[Service]\n" + of + "ExecStart=/bin/worker\n",
		"shop-admin-q.service": "[Service]\n" + of + "ExecStart=/bin/queue\n",
		"mail.service":         "[Unit]\nPartOf=shop-admin.service\n[Service]\n" + of + "ExecStart=/bin/mail\n",
		"night.service":        "[Service]\n" + of + "ExecStart=/bin/night\n",
		"night.timer":          "[Timer]\nOnCalendar=daily\n",
	})
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "shop.service")).Text), `process "shop-worker"`, `!process "mail"`, `!process "shop-admin-q"`, `schedule "night"`,
		"shop-admin-q.service:4: shop-admin-q.service: it lies beside shop-admin.service too, whose app has it as a process: write one here, and take that out, if it is this app's",
		"mail.service:6: mail.service: it lies beside shop-admin.service too")
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "shop-admin.service")).Text), `!process "shop-worker"`, `process "mail"`, `process "shop-admin-q"`, `!schedule "night"`,
		"night.service:4: night.service: it lies beside shop.service too, whose app has it as a schedule")
}

// An instance of a template is named as systemctl names it; the template stands for those
// that are enabled, and a link by which one is enabled for what it leads to.
func TestInstancesOfATemplate(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{
		"units/app@.service":               "[Service]\nUser=%i\nWorkingDirectory=/srv/%i\nEnvironmentFile=-/none/%i.env\nExecStart=/srv/%i/venv/bin/gunicorn -w 2 %i.wsgi\n",
		"units/app@.socket":                "[Socket]\nListenStream=/run/app/%i.sock\n",
		"units/app@shop.service.d/10.conf": "[Service]\nMemoryMax=4G\n",
		"units/app@mail.socket":            "[Socket]\nListenStream=9000\n",
		"units/lone@.service":              "[Service]\nExecStart=/usr/bin/gunicorn %i:app\n",
		"units/same@.service":              "[Unit]\nDescription=%i\n[Service]\nExecStart=/usr/bin/gunicorn same:app --name 100%%i\n",
		"units/multi-user.target.wants/x":  "",
	})
	units := filepath.Join(dir, "units")
	for _, name := range []string{"app@mail.service", "app@shop.service"} {
		if err := os.Symlink("../app@.service", filepath.Join(units, "multi-user.target.wants", name)); err != nil {
			t.Fatal(err)
		}
	}
	shop := []string{`app "app-shop"`, `wsgi_app = "shop.wsgi:application" # app@.service:5: `, `user = "shop"`, `listen = "unix:/run/app/shop.sock" # app@.socket:2: ListenStream=/run/app/%i.sock`,
		`mode = "0666" # app@.socket:2: systemd's SocketMode`, // else a web server could no longer connect
		`memory = "4GiB" # 10.conf:2: MemoryMax=4G`, `working_directory = "/srv/shop"`, "!127.0.0.1:8000"}
	for _, path := range []string{"app@shop.service", "multi-user.target.wants/app@shop.service"} {
		holds(t, string(importOne(t, facts.Options{}, filepath.Join(units, path)).Text), shop...)
	}
	all, err := Import(facts.Options{}, filepath.Join(units, "app@.service"))
	if err != nil || len(all) != 2 {
		t.Fatalf("of the template: %d apps, %v", len(all), err)
	}
	holds(t, string(all[0].Text), `app "app-mail"`, `listen = "0.0.0.0:9000"`, "!memory", "!mode")
	holds(t, string(all[1].Text), shop...)
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(units, "same@.service")).Text), `wsgi_app = "same:app"`)
	for path, want := range map[string]string{
		"lone@.service":    "it is a template, and none of its instances is enabled here: name one, as " + units + "/lone@NAME.service (systemctl list-units 'lone@*' lists them)",
		"none@a.service":   "there is no such file or folder",
		"app@shop.socket":  "there is no such file or folder",
		"app@shop.service": "",
	} {
		if _, err := Import(facts.Options{}, filepath.Join(units, path)); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// What a unit asks for its user has a way of its own here, where it can be had.
func TestUsersAndRightsOfAUnit(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{
		"a.service": "[Service]\nDynamicUser=yes\nAmbientCapabilities=CAP_NET_BIND_SERVICE\nSupplementaryGroups=media ssl-cert\nExecStart=/usr/bin/gunicorn -b :80 a:b\n",
		"b.service": "[Service]\nDynamicUser=no\nAmbientCapabilities=CAP_NET_RAW\nPrivateTmp=yes\nExecStart=/usr/bin/gunicorn -b :80 a:b\n",
	})
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "a.service")).Text), "!AmbientCapabilities",
		"a.service:2: DynamicUser=yes: not carried over: an app runs as a user that is there: make one (useradd --system NAME), and name it in user",
		"a.service:4: SupplementaryGroups=media ssl-cert: not carried over: workers have the groups of their user: usermod -a -G media,ssl-cert USER")
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "b.service")).Text), "!DynamicUser",
		"b.service:3: AmbientCapabilities=CAP_NET_RAW: not carried over: workers whose user is not root have no capabilities, whatever their port",
		"b.service:4: PrivateTmp=yes: not carried over: write it into a drop-in of wsgid-fleet.service for all apps")
}
