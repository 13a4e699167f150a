package importer

import (
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// What has no place in a spec and does no harm by that is told all the same.
func TestUWSGILeavesNothingOutUnsaid(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{"a.ini": `[uwsgi]
module = a
http-socket = :8000
processes = 8
cheaper = 2
cheaper-algo = busyness
cheaper-initial = 4
logger = rsyslog:127.0.0.1:514
log-format = %(addr)
attach-daemon2 = cmd=rq worker --burst,freq=3,stopsignal=2
attach-daemon2 = exec=celery -A a worker -Q x\,y,freq=3
attach-daemon2 = freq=3
`})
	imp := importOne(t, facts.Options{}, filepath.Join(dir, "a.ini"))
	holds(t, string(imp.Text), "cheaper-algo = busyness: a worker is started as soon as a request waits", "cheaper-initial = 4: a worker is started",
		"logger = rsyslog:127.0.0.1:514: the log is logs/wsgid.log", "log-format = %(addr): log.access writes lines of a form of its own",
		`command = ["rq", "worker", "--burst"]`, "attach-daemon2: stopsignal=2: not carried over", `command = ["celery", "-A", "a", "worker", "-Q", "x,y"]`,
		"attach-daemon2 = freq=3: not carried over: it has no command")
}

func TestSupervisordListeners(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{"s.conf": `[supervisord]
[program:web]
command=gunicorn a:app
[eventlistener:mail]
command=crashmail
events=PROCESS_STATE
`})
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "s.conf")).Text), "s.conf:5: [eventlistener:mail]: not carried over: there are no such events here")
}

// TestSupervisordOfWhatEnds: what is not started again by supervisord is started again here.
func TestSupervisordOfWhatEnds(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{"s.conf": `[program:web]
command=gunicorn a:app
autorestart=false
[program:once]
command=/usr/bin/once
autorestart=false
[program:bot]
command=/usr/bin/bot
autorestart=unexpected
exitcodes=0,2
[program:always]
command=/usr/bin/always
autorestart=true
`})
	text := string(importOne(t, facts.Options{}, filepath.Join(dir, "s.conf")).Text)
	holds(t, text, "s.conf:3: autorestart = false: not carried over: a server that ends is started again: stop it by wsgid-fleet stop APP")
	holds(t, text, "s.conf:6: autorestart = false of program once: not carried over: a process is started again whenever it ends: write a schedule for what runs now and then, a stage of deploy for what runs once")
	holds(t, text, "s.conf:10: exitcodes = 0,2 of program bot: not carried over: a process is started again however it ends, ever later where it ends soon")
	if strings.Contains(text, "s.conf:13: autorestart") {
		t.Errorf("what is carried is named as not:\n%s", text)
	}
}

// TestUnitsSayWhatIsLeftOut: what the unit of a service says of the service and of other
// units, and an app does not have, is named.
func TestUnitsSayWhatIsLeftOut(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{"blog.service": `[Unit]
Description=Blog
After=network.target postgresql.service redis.service network-online.target
Requires=blog.socket
ConditionPathExists=/etc/blog
OnFailure=mail@%n.service
PartOf=site.target
RequiresMountsFor=/srv
StartLimitBurst=3
FailureAction=reboot
Documentation=man:blog(1)
[Service]
Type=notify
ExecStart=/usr/bin/gunicorn blog:app
ExecReload=/bin/kill -s HUP $MAINPID
Restart=always
Nice=5
OOMScoreAdjust=-100
StandardOutput=append:/var/log/blog.log
StandardError=journal
LoadCredential=key:/etc/key
WatchdogSec=30
PrivateMounts=yes
FutureSetting=yes
RestartSec=5
KillMode=process
KillSignal=SIGQUIT
SendSIGKILL=yes
SuccessExitStatus=4
SyslogIdentifier=blog
TimeoutStartSec=90
TimeoutStopSec=1min 30s
CPUAccounting=yes
[Install]
WantedBy=multi-user.target
`})
	text := string(importOne(t, facts.Options{}, filepath.Join(dir, "blog.service")).Text)
	for _, want := range []string{
		"blog.service:3: After=postgresql.service redis.service network-online.target: wsgid-fleet.service starts the app: write it there too, by systemctl edit wsgid-fleet",
		"blog.service:5: ConditionPathExists=/etc/blog: not carried over: the app starts whenever the fleet does",
		"blog.service:6: OnFailure=mail@blog.service.service: not carried over: no unit is started by what becomes of an app",
		"blog.service:17: Nice=5: not carried over: write it into a drop-in of wsgid-fleet.service for all apps",
		"blog.service:18: OOMScoreAdjust=-100: not carried over: write it into a drop-in",
		"blog.service:19: StandardOutput=append:/var/log/blog.log: not carried over: what the app prints is in its own log: read it by wsgid-fleet logs APP",
		"blog.service:21: LoadCredential=key:/etc/key: not carried over: write it into a variable: env = { NAME = file(\"/path\") }",
		"blog.service:22: WatchdogSec=30: not carried over: workers that hang are found by workers.request_timeout",
		"blog.service:23: PrivateMounts=yes: not carried over: write it into a drop-in",
		"blog.service:24: FutureSetting=yes: not carried over: no counterpart of it is known here",
		"blog.service:7: PartOf=site.target: wsgid-fleet.service starts the app",
		"blog.service:8: RequiresMountsFor=/srv: wsgid-fleet.service starts and stops the app: write it there",
		"blog.service:9: StartLimitBurst=3: what ends is started again ever later, for ever",
		"blog.service:10: FailureAction=reboot: not carried over: nothing is done to the machine by what becomes of an app",
		"blog.service:25: RestartSec=5: what ends is started again ever later, for ever",
		"blog.service:26: KillMode=process: not carried over: what an app has started ends with it",
		"blog.service:27: KillSignal=SIGQUIT: workers are told to stop by the fleet, by no signal",
		"blog.service:29: SuccessExitStatus=4: not carried over: an app is started again however it ends",
		"blog.service:30: SyslogIdentifier=blog: entries in the journal carry WSGID_APP",
		"blog.service:31: TimeoutStartSec=90: workers.start_timeout says it here",
		"blog.service:32: TimeoutStopSec=1min 30s: not carried over: workers.stop_timeout is a time such as 90s",
	} {
		holds(t, text, want)
	}
	for _, carried := range []string{"Description", "Documentation", "SendSIGKILL", "CPUAccounting", "Requires=", "Type=", "ExecReload", "Restart=", "StandardError", "WantedBy"} {
		if strings.Contains(text, carried) {
			t.Errorf("%s is named:\n%s", carried, text)
		}
	}
}

// What systemd makes nothing of, for its quotes or a percent sign, is told and not carried.
func TestUnitsOfWhatSystemdPassesOver(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{
		"a.service": `[Service]
User="web"
EnvironmentFile="/etc/hostname"
EnvironmentFile=/etc/%z
WorkingDirectory=-"/srv/my site"
UMask="027"
MemoryMax="1G"
Environment=A=50% "B=a%Xb" C=%(name)s D=%%z E=%a F=%%b
Environment=G=%b
ExecStart="/usr/bin/gunicorn" -b 127.0.0.1:8000 a:b
`, "a.socket": "[Socket]\nListenStream=\"/run/a.sock\"\n",
		"b.service": "[Service]\nWorkingDirectory=\"/srv/my site\"\nExecStart=/usr/bin/gunicorn a:b\n",
		"c.service": "[Service]\nExecStart=/usr/bin/gunicorn --name 9%x a:b\n",
		"d.service": "[Service]\nWorkingDirectory=/srv/my site\nExecStart=/usr/bin/gunicorn a:b\n",
		"e.service": "[Service]\nWorkingDirectory=/srv/%z\nExecStart=/usr/bin/gunicorn a:b\n",
	})
	text := string(importOne(t, facts.Options{}, filepath.Join(dir, "a.service")).Text)
	holds(t, text, `a.service:2: User="web": not carried over: quotes belong to the value of User, so systemd makes nothing of it`, "!user =",
		`a.service:3: EnvironmentFile="/etc/hostname": not carried over: systemd passes over it: quotes belong to a path there`,
		"a.service:4: EnvironmentFile=/etc/%z: not carried over: systemd passes over it: %z means nothing to it; a percent sign is written %%",
		`a.service:5: WorkingDirectory=-"/srv/my site": not carried over: systemd passes over it: quotes belong to a path there`,
		`a.service:6: UMask="027": not carried over: quotes`, `a.service:7: MemoryMax="1G": not carried over: quotes`,
		"a.service:8: Environment: systemd passes over B: %X means nothing to it", `A = "50%"`, `C = "%(name)s"`, `D = "%z"`, `F = "%b"`, "!a%Xb", "!G =", "a.service:9: Environment: what %b stands for in G only the running system knows", `E = "`+strings.ReplaceAll(runtime.GOARCH, "amd64", "x86-64"),
		`a.socket:2: ListenStream="/run/a.sock": not carried over: systemd passes over it`, `listen = "127.0.0.1:`)
	for name, want := range map[string]string{
		"b.service": `b.service:2: WorkingDirectory="/srv/my site": systemd does not load the unit: quotes belong to a path there, which is not absolute with them: write it without them, a blank needs none`,
		"c.service": "c.service:2: ExecStart=/usr/bin/gunicorn --name 9%x a:b: systemd does not load the unit: %x means nothing to it; a percent sign is written %%",
		"e.service": "e.service:2: WorkingDirectory=/srv/%z: systemd does not load the unit: %z means nothing to it",
	} {
		if _, err := Import(facts.Options{}, filepath.Join(dir, name)); err == nil {
			t.Errorf("%s: no error", name)
		} else {
			holds(t, err.Error(), want)
		}
	}
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "d.service")).Text), `working_directory = "/srv/my site"`)
}
