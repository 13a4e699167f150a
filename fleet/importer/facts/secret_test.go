package facts

import "testing"

func TestHideSecrets(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"backup --password=hunter2 --verbose":         "backup --password=… --verbose",
		"backup --password hunter2 --verbose":         "backup --password … --verbose",
		"env = API_TOKEN=abc":                         "env = API_TOKEN=…",
		"pyargv = --secret-key zzz":                   "pyargv = --secret-key …",
		"PGPASSWORD='a b' pg_dump db":                 "PGPASSWORD='…' pg_dump db",
		"http-auth-token = xyz":                       "http-auth-token = …",
		"celery --broker redis://:pw@h/0 -l info":     "celery --broker redis://:…@h/0 -l info",
		"--url amqp://u:p/w@h:5672//":                 "--url amqp://u:…@h:5672//",
		"sh -c 'x --token abc; y --password=\"q r\"'": "sh -c 'x --token …; y --password=\"…\"'",
		"x.service:3: SetCredential=key:v1: lost":     "x.service:3: SetCredential=…: lost",
		// Not secrets.
		"x.service:3: PrivateMounts=yes: lost":           "x.service:3: PrivateMounts=yes: lost",
		"x.service:3: LoadCredential=key:/etc/key: lost": "x.service:3: LoadCredential=key:/etc/key: lost",
		"git clone https://h/x":                          "git clone https://h/x",
		"x --password-file /etc/pw":                      "x --password-file /etc/pw",
		"x --key=/etc/ssl/x.pem":                         "x --key=/etc/ssl/x.pem",
		"x --token --verbose":                            "x --token --verbose",
		"http-socket = 127.0.0.1:9000":                   "http-socket = 127.0.0.1:9000",
		"env = DJANGO_SETTINGS_MODULE=a.b":               "env = DJANGO_SETTINGS_MODULE=a.b",
		"mail to admin@example.org about http":           "mail to admin@example.org about http",
		"exec x --password=$PASSWORD":                    "exec x --password=$PASSWORD",
	} {
		if got := HideSecrets(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
