package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// entries are the journal's of the app that have these fields.
func (m *machine) entries(fields ...string) []map[string]any {
	m.t.Helper()
	out, _ := m.try(append([]string{"journalctl", "--no-pager", "-o", "json", "WSGID_APP=hello"}, fields...)...)
	var all []map[string]any
	for line := range strings.Lines(out) {
		var e map[string]any
		if json.Unmarshal([]byte(line), &e) == nil {
			all = append(all, e)
		}
	}
	return all
}

// journalled waits for an entry whose message holds the text.
func (m *machine) journalled(text string, fields ...string) map[string]any {
	m.t.Helper()
	var found map[string]any
	m.until("the journal says "+text, time.Minute, func() error {
		for _, e := range m.entries(fields...) {
			if s, ok := e["MESSAGE"].(string); ok && strings.Contains(s, text) {
				found = e
				return nil
			}
		}
		return fmt.Errorf("%d entries", len(m.entries(fields...)))
	})
	return found
}

// The journal takes an app's log while its master runs, with fields of its own
// and a traceback as one entry; and gives it back.
func systemdAppJournal(t *testing.T, m *machine) {
	master := m.master()
	const failing = "def application(environ, start_response):\n    print(1 / 0)\n"
	m.write("/srv/hello/app/failing.py", failing)
	spec := strings.Replace(helloSpec, "  limits {", "  log {\n    target = \"journal\"\n    access = true\n  }\n  limits {", 1)
	m.write("/etc/wsgid.d/hello.hcl", spec)
	own := m.journalled("updating to generation", "WSGID_SOURCE=wsgid")
	if own["PRIORITY"] != "6" || own["SYSLOG_IDENTIFIER"] != "wsgid-hello" || own["WSGID_WORKER"] != nil || own["_PID"] != master {
		t.Errorf("our own line: %v", own)
	}
	m.run("curl", "-sS", "-A", "journal test", hello)
	access := m.journalled(`"GET / HTTP/1.1" 200`, "WSGID_SOURCE=access")
	if s, _ := access["MESSAGE"].(string); access["PRIORITY"] != "6" || access["WSGID_WORKER"] == nil || !strings.Contains(s, `"journal test"`) {
		t.Errorf("a request: %v", access)
	}
	if m.master() != master {
		t.Error("the master was replaced for a change of its log")
	}
	out, err := m.try("wsgid-fleet", "logs", "-n", "1", "hello")
	if want := `wsgid-fleet: logs of hello: this is the file; its log.target is "journal": see journalctl WSGID_APP=hello`; err != nil || !strings.Contains(out, want) {
		t.Errorf("logs says %q, %v", out, err)
	}

	m.write("/etc/wsgid.d/hello.hcl", strings.Replace(spec, `wsgi_app = "hello:application"`, `wsgi_app = "failing:application"`, 1))
	m.until("the failing application serves", time.Minute, func() error {
		if out, _ := m.try("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", hello); out != "500" {
			return fmt.Errorf("it answers %s", out)
		}
		return nil
	})
	trace := m.journalled("ZeroDivisionError: division by zero", "WSGID_SOURCE=app", "PRIORITY=3")
	if s, _ := trace["MESSAGE"].(string); !strings.HasPrefix(s, "Traceback (most recent call last):\n") || trace["WSGID_WORKER"] == nil {
		t.Errorf("the traceback: %v", trace)
	}

	m.write("/etc/wsgid.d/hello.hcl", helloSpec)
	m.until("the first application serves again", time.Minute, func() error {
		out, err := m.try("curl", "-sSf", hello)
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
}
