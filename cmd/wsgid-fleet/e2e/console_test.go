package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// looker is a browser that follows the one-time URL, keeps its cookie, and notes all that
// it was sent.
type looker struct {
	b     *harness
	base  string
	http  *http.Client
	bytes strings.Builder
}

// console logs in by the command.
func (b *harness) console(args ...string) *looker {
	b.t.Helper()
	out := b.fleet("console", args...)
	page, code, ok := strings.Cut(strings.TrimSpace(out.stdout), "#")
	if out.code != 0 || !ok {
		b.t.Fatalf("wsgid-fleet console: %s", out)
	}
	jar, _ := cookiejar.New(nil)
	w := &looker{b: b, base: strings.TrimSuffix(page, "/login"), http: &http.Client{Jar: jar, Timeout: time.Minute}}
	if code, body := w.post("/login", url.Values{"code": {code}}); code != http.StatusOK || !strings.Contains(body, "<h1>Fleet</h1>") {
		b.t.Fatalf("login: %d %s", code, body)
	}
	return w
}

func (w *looker) done(resp *http.Response, err error) (int, string) {
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	fmt.Fprintln(&w.bytes, resp.Header, string(body))
	return resp.StatusCode, string(body)
}

func (w *looker) get(path string) (int, string) { return w.done(w.http.Get(w.base + path)) }

func (w *looker) post(path string, form url.Values) (int, string) {
	return w.done(w.http.PostForm(w.base+path, form))
}

var hidden = regexp.MustCompile(`name="(token|digest)" value="([^"]+)"`)

// form are the hidden fields of a page.
func (w *looker) form(path string) url.Values {
	w.b.t.Helper()
	_, body := w.get(path)
	v := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(body, -1) {
		v.Set(m[1], m[2])
	}
	return v
}

// shows waits until a page has all of these words.
func (w *looker) shows(path string, words ...string) {
	w.b.t.Helper()
	eventually(w.b.t, time.Minute, path+" to show "+strings.Join(words, ", "), func() error {
		code, body := w.get(path)
		for _, word := range words {
			if code != http.StatusOK || !strings.Contains(body, word) {
				return fmt.Errorf("%d without %q: %.3000s", code, word, body)
			}
		}
		return nil
	})
}

// The console of a real fleet: each page says what the commands say, what an operator
// does is done, a daemon that was killed is back with the session, and no secret is in
// any byte that was sent.
func TestConsole(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, who account) {
		b := newHarness(t, who)
		b.only("hello")
		const inline, fromFile, changed = "inline-pa55word", "file-pa55word", "other-pa55word"
		b.write("secret", fromFile+"\n")
		b.replace("wsgid.d/hello.hcl", `GREETING = "Hello"`,
			fmt.Sprintf(`GREETING = sensitive(%q), FROM_FILE = trimspace(file(%q))`, inline, filepath.Join(b.demo, "secret")))
		if out := b.fleet("console"); out.code != 1 || !strings.Contains(out.stderr, "no daemon runs") {
			t.Errorf("without a daemon: %s", out)
		}
		addr := freeport.Addr(t)
		b.equip = func(cmd *exec.Cmd) error {
			cmd.Args = append(cmd.Args, "--console", addr)
			return nil
		}
		d := b.run()
		b.await("hello", "ready", 2)
		w := b.console()
		viewer := b.console("--viewer")
		if code, body, err := get(b.hello, "/?q="+inline); err != nil || code != http.StatusOK || !strings.Contains(body, inline) {
			t.Errorf("the app does not have its secret: %d %q, %v", code, body, err)
		}

		w.shows("/", "1 app: 1 ready", `href="/app/hello"`)
		w.shows("/app/hello", `<span class="state good">ready</span>`, "hello.hcl", b.hello, "Requests a second")
		w.shows("/logs?app=hello&n=2000", "hello")
		w.shows("/plan", "Nothing to do for 1 app.")
		w.shows("/deploys", "No deploys yet")
		w.shows("/hosts", "No spec file has a gate")
		if code, _ := w.get("/app/nobody"); code != http.StatusNotFound {
			t.Errorf("an app that is none: %d", code)
		}

		// The cookie is of no use to another user of the machine.
		if os.Geteuid() == 0 {
			u, err := url.Parse(w.base)
			b.must(err)
			cmd := exec.Command("curl", "-s", "--noproxy", "*", "-H", "Cookie: "+w.http.Jar.Cookies(u)[0].String(), w.base+"/plan")
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential(t, "nobody")}
			if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "You are not logged in") {
				t.Errorf("another user with the cookie: %v %s", err, out)
			}
		}

		// What waits is applied as it was shown.
		b.replace("wsgid.d/hello.hcl", inline, changed)
		b.await("hello", "ready", 2)
		form := w.form("/app/hello")
		form.Set("verb", "stop")
		form.Set("confirm", "hello")
		if code, body := viewer.post("/app/hello", form); code != http.StatusForbidden {
			t.Errorf("a viewer stops an app: %d %s", code, body)
		}
		if code, body := w.post("/app/hello", form); code != http.StatusOK || !strings.Contains(body, "stop hello") {
			t.Errorf("stop: %d %s", code, body)
		}
		w.shows("/?state=stopped", "stopped by an operator")
		w.shows("/plan", "Nothing to do")
		form.Set("verb", "start")
		w.post("/app/hello", form)
		b.await("hello", "ready", 2)
		w.shows("/app/hello", `<span class="state good">ready</span>`)

		// A mistake beside a secret: the file, the line, and nothing else.
		b.replace("wsgid.d/hello.hcl", fmt.Sprintf("sensitive(%q)", changed), fmt.Sprintf("[sensitive(%q)]", changed))
		w.shows("/plan", "Broken files", "hello.hcl:")
		b.replace("wsgid.d/hello.hcl", fmt.Sprintf("[sensitive(%q)]", changed), fmt.Sprintf("sensitive(%q)", changed))
		w.shows("/plan", "Nothing to do")

		// The daemon is killed while pages are open.
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, w.base+"/stream", nil)
		stream, err := (&http.Client{Jar: w.http.Jar}).Do(req)
		b.must(err)
		defer stream.Body.Close()
		d.kill(t)
		if _, err := io.ReadAll(stream.Body); err == nil {
			t.Error("the stream ended as if it were whole")
		}
		d = b.run()
		w.shows("/", "1 app: 1 ready")
		w.shows("/app/hello", "Restart") // still an operator
		viewer.shows("/app/hello", "hello.hcl")

		w.post("/logout", w.form("/"))
		if code, body := w.get("/"); code != http.StatusUnauthorized {
			t.Errorf("after the logout: %d %s", code, body)
		}
		if code := d.stop(t); code != 0 {
			t.Errorf("the daemon ended with %d", code)
		}
		sent := w.bytes.String() + viewer.bytes.String() + d.text()
		key, err := os.ReadFile(filepath.Join(b.state, "console.key"))
		b.must(err)
		for _, secret := range []string{inline, fromFile, changed, string(key), base64.RawURLEncoding.EncodeToString(key)} {
			if i := strings.Index(sent, secret); i >= 0 {
				t.Errorf("%q was sent: …%s…", secret, sent[max(0, i-200):min(len(sent), i+40)])
			}
		}
	})
}
