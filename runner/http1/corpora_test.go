package http1

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// corpora holds what others have collected, see its README.
const corpora = "../../testdata/corpora"

func readJSON(t *testing.T, name string, v any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(corpora, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

// seen undoes the log line of a player into what expected.json tells.
func seen(result string) (requests []string, refused bool) {
	for e := range strings.SplitSeq(result, " | ") {
		switch {
		case e == "", e == "close", strings.HasPrefix(e, "wait"):
		case e[0] >= '0' && e[0] <= '9' || strings.HasPrefix(e, "body: "):
			refused = true
		default:
			requests = append(requests, e)
		}
	}
	return requests, refused
}

func TestCorpusOfRequests(t *testing.T) {
	var cases []struct {
		Name    string `json:"name"`
		Raw     []byte `json:"raw_b64"`
		RawHost []byte `json:"raw_host_b64"`
	}
	var expected struct {
		Requests map[string]struct {
			Tier string      `json:"tier"`
			App  [][4]string `json:"app"`
		} `json:"gunicorn-requests"`
	}
	readJSON(t, "gunicorn-requests/cases.json", &cases)
	readJSON(t, "expected.json", &expected)
	tiers := map[string]int{}
	for _, c := range cases {
		want := expected.Requests[c.Name]
		tiers[want.Tier]++
		raw := c.Raw
		if c.RawHost != nil {
			raw = c.RawHost
		}
		result := play(raw)
		requests, refused := seen(result)
		switch want.Tier {
		case "must_accept":
			var app []string
			for _, a := range want.App {
				body, err := base64.StdEncoding.DecodeString(a[3])
				if err != nil {
					t.Fatal(err)
				}
				line := a[0] + " " + a[1]
				if a[2] != "" {
					line += "?" + a[2]
				}
				app = append(app, line+" body="+fmt.Sprintf("%q", body))
			}
			for i := range requests {
				at := strings.Index(requests[i], " host=")
				requests[i] = requests[i][:at] + requests[i][strings.Index(requests[i], " body="):]
			}
			if len(app) > len(requests) || fmt.Sprint(requests[:len(app)]) != fmt.Sprint(app) {
				t.Errorf("%s: %s; want %q", c.Name, result, app)
			}
		case "must_refuse":
			if len(requests) > 0 || !refused {
				t.Errorf("%s: %s; want it refused", c.Name, result)
			}
		case "advisory":
			t.Logf("%s: %.120s", c.Name, result)
		default:
			t.Errorf("%s: tier %q is not known", c.Name, want.Tier)
		}
	}
	if tiers["must_accept"] == 0 || tiers["must_refuse"] == 0 {
		t.Errorf("the corpus holds nothing to check: %v", tiers)
	}
}

func TestCorpusOfSmuggling(t *testing.T) {
	var cases []struct {
		Name   string `json:"name"`
		Header []byte `json:"header_b64"`
	}
	readJSON(t, "smuggler-te/cases.json", &cases)
	const hidden = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
	length := fmt.Sprintf("Content-Length: %d\r\n", len(hidden))
	for _, c := range cases {
		header := string(c.Header) + "\r\n"
		for _, fields := range []string{header + length, length + header} {
			raw := []byte("POST /first HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n" + hidden)
			result := play(raw)
			if strings.Contains("| "+result, "| GET /smuggled") {
				t.Errorf("%s: %q runs the second request: %s", c.Name, raw, result)
			}
			if split := playSplit(raw, true, 1); split != result {
				t.Errorf("%s: %q split: %s; whole: %s", c.Name, raw, split, result)
			}
		}
	}
	if len(cases) < 1000 {
		t.Errorf("only %d cases were read", len(cases))
	}
}
