package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"
)

// get asks once, on a connection of its own.
func get(addr, path string) (int, string, error) {
	return send(http.MethodGet, addr, path, nil)
}

func send(method, addr, path string, body io.Reader) (int, string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+addr+path, body)
	if err != nil {
		return 0, "", err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// wantAnswer asks until the answer holds the words. What does not come at
// once may come after a reload, so it asks again for a while.
func wantAnswer(t *testing.T, addr, path string, words ...string) string {
	t.Helper()
	var text string
	eventually(t, patience, fmt.Sprintf("http://%s%s to answer with %q", addr, path, words), func() error {
		status, body, err := get(addr, path)
		if err != nil {
			return err
		}
		text = body
		for _, word := range words {
			if status != http.StatusOK || !strings.Contains(body, word) {
				return fmt.Errorf("status %d:\n%s", status, body)
			}
		}
		return nil
	})
	return text
}

// browser is a client with cookies, for forms.
type browser struct {
	t    *testing.T
	base string
	http http.Client
}

func newBrowser(t *testing.T, addr string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, base: "http://" + addr}
	b.http = http.Client{Jar: jar, Timeout: 20 * time.Second}
	t.Cleanup(b.http.CloseIdleConnections)
	return b
}

func (b *browser) do(method, path string, form url.Values) string {
	b.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, b.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := b.http.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		b.t.Fatalf("%s %s: %s\n%s", method, path, resp.Status, text)
	}
	return string(text)
}

// submit sends a form with Django's token against forged requests.
func (b *browser) submit(path string, form url.Values) string {
	b.t.Helper()
	base, err := url.Parse(b.base)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range b.http.Jar.Cookies(base) {
		if c.Name == "csrftoken" {
			form.Set("csrfmiddlewaretoken", c.Value)
		}
	}
	return b.do(http.MethodPost, path, form)
}
