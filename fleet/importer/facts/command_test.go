package facts

import "testing"

// A process or a schedule is named after what it does, not after the interpreter of it.
func TestCommandName(t *testing.T) {
	for command, want := range map[string]string{
		"/srv/blog/venv/bin/celery -A blog worker -l info":     "celery-worker",
		"/srv/blog/venv/bin/celery --app=blog beat":            "celery-beat",
		"celery worker -A blog":                                "celery-worker",
		"/usr/bin/python3 /srv/blog/manage.py send_mail --all": "send_mail",
		"python manage.py clearsessions":                       "clearsessions",
		"python -u bot.py":                                     "bot",
		"python3.11 -m mail.digest --daily":                    "mail-digest",
		"/srv/poll/hourly.sh":                                  "hourly",
		"./manage.py runjobs daily":                            "runjobs",
		"python":                                               "python",
		"python -c 'import x'":                                 "python",
		"A=1 rq worker high":                                   "rq",
		"celery":                                               "celery",
		"":                                                     "process-1",
	} {
		if got := CommandName(command, 0); got != want {
			t.Errorf("%q is called %s, want %s", command, got, want)
		}
	}
}
