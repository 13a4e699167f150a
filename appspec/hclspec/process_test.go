package hclspec

import (
	"strings"
	"testing"
	_ "time/tzdata" // the zones of the cases are there on every machine

	"github.com/google/go-cmp/cmp"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// A process of an environment changes what it says of the one of the app block; its
// command is as secret as it was written.
func TestProcessOfEnvironment(t *testing.T) {
	set := good(t, load(t, testOptions(), memory(t, map[string]string{"blog.hcl": `app "blog" {
  process "celery" {
    command      = ["celery", sensitive("hunter2")]
    count        = 4
    stop_timeout = "10m"
  }
  environment "dev" {
    sockets {
      http { listen = "127.0.0.1:8001" }
    }
    process "celery" { count = 0 }
    process "bot" { command = ["bot"] }
  }
}
`}), "/etc/wsgid.d"))
	s := set.Specs["blog-dev"]
	if diff := cmp.Diff([]appspec.Process{
		{Name: "celery", Command: []string{"celery", "hunter2"}, Count: 0, StopSignal: "TERM", StopTimeout: appspec.Duration(600e9)},
		{Name: "bot", Command: []string{"bot"}, Count: 1, StopSignal: "TERM", StopTimeout: appspec.Duration(30e9)},
	}, s.Processes); diff != "" {
		t.Error(diff)
	}
	if !s.IsSensitive("process[0].command") || s.IsSensitive("process[1].command") {
		t.Errorf("sensitive: %v", s.Sensitive)
	}
	if text := changesText(appspec.Diff(nil, s)); text == "" || strings.Contains(text, "hunter2") {
		t.Errorf("the plan tells a secret: %s", text)
	}
}

// A schedule of an environment changes what it says of the one of the app block.
func TestScheduleOfEnvironment(t *testing.T) {
	set := good(t, load(t, testOptions(), memory(t, map[string]string{"blog.hcl": `app "blog" {
  schedule "nightly" {
    cron    = "0 3 * * *"
    command = ["nightly", sensitive("hunter2")]
    timeout = "2h"
  }
  environment "dev" {
    sockets {
      http { listen = "127.0.0.1:8001" }
    }
    schedule "nightly" { cron = "@weekly" }
    schedule "hourly" {
      cron     = "@hourly"
      command  = ["hourly"]
      timezone = "Europe/Berlin"
    }
  }
}
`}), "/etc/wsgid.d"))
	s := set.Specs["blog-dev"]
	if diff := cmp.Diff([]appspec.Schedule{
		{Name: "nightly", Cron: "@weekly", Command: []string{"nightly", "hunter2"}, Timeout: appspec.Duration(7200e9)},
		{Name: "hourly", Cron: "@hourly", Command: []string{"hourly"}, Timeout: appspec.Duration(3600e9), Timezone: "Europe/Berlin"},
	}, s.Schedules); diff != "" {
		t.Error(diff)
	}
	text := changesText(appspec.Diff(nil, s))
	if !strings.Contains(text, `schedule["hourly"]`) || !strings.Contains(text, "@weekly") || strings.Contains(text, "hunter2") {
		t.Errorf("the plan tells: %s", text)
	}
	if !s.Beside() {
		t.Error("its master may rest")
	}
}
