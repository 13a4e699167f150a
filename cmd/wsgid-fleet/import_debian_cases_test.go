package main

import (
	"maps"
	"strings"
)

// debianCase is an application of a package that is started as the package does it, and
// then as import says.
type debianCase struct {
	path  string   // what is imported
	from  string   // the package; empty: that with an init script of the case's name
	unit  string   // of systemd; empty: of the case's name
	site  string   // what it includes, of Apache
	app   string   // where the probe lies; empty: as the init script says
	start string   // how the package starts it; empty: by its unit
	at    string   // protocol and address; empty: as the init script says
	url   string   // what is asked for; empty: /
	dir   bool     // no file says in which folder: the app folder is it here
	own   bool     // it runs in Apache's own processes, however many
	args  []string // what the app is given as arguments, which import names
	names []string // what import names of it

	static map[string]string // files of the machine by their urls
}

const (
	inApache    = "it ran in Apache's own processes"
	horizonFile = "/var/lib/openstack-dashboard/static/probe.css"
)

// debianApache is the frame in which a site stands that a package ships.
const debianApache = `ServerRoot /etc/apache2
ServerName localhost
PidFile /run/apache2.pid
ErrorLog /var/log/apache2/error.log
Listen 127.0.0.1:80
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule authz_host_module /usr/lib/apache2/modules/mod_authz_host.so
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
LoadModule env_module /usr/lib/apache2/modules/mod_env.so
LoadModule mime_module /usr/lib/apache2/modules/mod_mime.so
TypesConfig /etc/mime.types
LoadModule wsgi_module /usr/lib/apache2/modules/mod_wsgi.so
WSGISocketPrefix /run/wsgi
LogFormat "%h" combined
User www-data
Group www-data
<Directory /usr/share/graphite-web>
  Require all granted
</Directory>
Include `

var debianCases = func() map[string]debianCase {
	m := map[string]debianCase{}
	for name, c := range map[string]debianCase{
		"graphite": {from: "graphite-web", path: "/usr/share/graphite-web/apache2-graphite.conf", app: "/usr/share/graphite-web/graphite.wsgi", names: []string{"WSGIImportScript"},
			static: map[string]string{"/static/probe.css": "/usr/share/graphite-web/static/probe.css"}},
		"pywps": {from: "pywps-wsgi", path: "/etc/apache2/conf-available/pywps-wsgi.conf", app: "/usr/share/pywps/wps.py", url: "/pywps/wps.py/x", own: true, names: []string{inApache}},
		"x2gobroker": {from: "x2gobroker-wsgi", path: "/etc/x2go/x2gobroker-wsgi.apache.conf", app: "/usr/lib/x2gobroker/wsgi/x2gobroker-wsgi", url: "/x2gobroker/x",
			names: []string{"SetEnv X2GOBROKER_DEFAULT_BACKEND: not carried over"}},
		// None of these three has a WSGIProcessGroup, so their WSGIDaemonProcess has nothing to do.
		"supysonic": {from: "supysonic", path: "/usr/share/doc/supysonic/examples/apache.conf", app: "/usr/share/doc/supysonic/examples/supysonic.wsgi", own: true, names: []string{inApache}},
		"horizon": {from: "openstack-dashboard-apache", path: "/etc/apache2/sites-available/openstack-dashboard.conf", app: "/usr/share/openstack-dashboard/wsgi.py", own: true, names: []string{inApache},
			static: map[string]string{"/static/probe.css": horizonFile, "/horizon/static/probe.css": horizonFile}},
		"horizon-alias": {from: "openstack-dashboard-apache", path: "/etc/apache2/sites-available/openstack-dashboard-alias-only.conf", app: "/usr/share/openstack-dashboard/wsgi.py", url: "/horizon/x", own: true, names: []string{inApache},
			static: map[string]string{"/static/probe.css": horizonFile}},
	} {
		c.site, c.path = c.path, "/etc/apache2/"+name+".conf"
		c.at, c.start = "http 127.0.0.1:80", ". /etc/apache2/envvars; cd /; env -i PATH=$PATH APACHE_LOG_DIR=$APACHE_LOG_DIR apache2 -f "+c.path
		m[name] = c
	}
	maps.Copy(m, map[string]debianCase{
		"mailman3-web": {from: "mailman3-web", path: "/lib/systemd/system/mailman3-web.service", app: "/usr/share/mailman3-web/wsgi.py", at: "uwsgi unix:/run/mailman3-web/uwsgi.sock",
			names: []string{"process = 2: not carried over: uWSGI has no such option"}},
		"bepasty-freedombox": {from: "freedombox", path: "/etc/uwsgi/apps-enabled/bepasty-freedombox.ini", app: "/usr/lib/python3/dist-packages/bepasty/wsgi.py", at: "uwsgi unix:/run/uwsgi/app/bepasty-freedombox/socket",
			unit: "uwsgi"},
		"radicale": {from: "radicale", path: "/etc/uwsgi/apps-enabled/radicale.ini", app: "/usr/share/radicale/radicale.wsgi", at: "uwsgi unix:/run/uwsgi/app/radicale/socket",
			unit: "uwsgi", names: []string{"umask 027", "exec-as-root", "d /run/uwsgi/app/radicale 0755 root root"}},
		"searx": {from: "searx", path: "/etc/uwsgi/apps-enabled/searx.ini", app: "/usr/lib/python3/dist-packages/searx/webapp.py", at: "uwsgi unix:/run/uwsgi/app/searx/socket",
			unit: "uwsgi"},
		"tryton":            {from: "tryton-server-uwsgi", path: "/lib/systemd/system/tryton-server-uwsgi@.service", unit: "tryton-server-uwsgi@main", app: "/usr/lib/python3/dist-packages/trytond/application.py", at: "http 127.0.0.1:8000"},
		"lava":              {from: "lava-server", path: "/lib/systemd/system/lava-server-gunicorn.service", unit: "lava-server-gunicorn", app: "/usr/lib/python3/dist-packages/lava_server/wsgi.py", at: "http 127.0.0.1:8000"},
		"nova-api-metadata": {path: "/lib/systemd/system/nova-api-metadata.service", app: "/usr/bin/nova-metadata-wsgi"}, // as the ini says; the script names another
		"sahara-api":        {path: "/lib/systemd/system/sahara-api.service", args: []string{"--config-file=/etc/sahara/sahara.conf"}, names: []string{"pyargv"}},
	})
	for name := range strings.FieldsSeq(`aodh-api barbican-api cinder-api cloudkitty-api designate-api freezer-api gnocchi-api heat-api heat-api-cfn ironic-api keystone
		magnum-api manila-api masakari-api mistral-api nova-api octavia-api placement-api`) {
		m[name] = debianCase{path: "/lib/systemd/system/" + name + ".service", names: []string{"paste-logger = true: not carried over", "RuntimeDirectory="}}
	}
	return m
}()
