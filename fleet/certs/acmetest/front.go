package acmetest

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// Front stands before an authority. Answer may be set at any time: it sees each request
// first, and tells whether it has answered it. Requests that it leaves go to the
// authority; its directory names the URL of ARI besides, which pebble does not know.
type Front struct {
	Directory string
	Answer    atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool]
	Certs     atomic.Pointer[[]byte] // given in the place of each certificate, if set
	Asked     atomic.Int64           // requests that have come
}

// RenewalPath is the way to ARI.
const RenewalPath = "/renewal-info"

// NewFront ends with the test.
func NewFront(t testing.TB, s *Server) *Front {
	t.Helper()
	f := &Front{}
	behind, err := url.Parse("https://" + s.addr)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Transport: s.client.Transport,
		ErrorLog:  log.New(io.Discard, "", 0), // a client that has gone is none
		// The URL is signed with the request: the authority is to see the one of the front.
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = behind.Scheme, behind.Host
			r.Out.Host = r.In.Host
		},
		ModifyResponse: f.change,
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.Asked.Add(1)
		if answer := f.Answer.Load(); answer != nil && (*answer)(w, r) {
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{s.key}}
	srv.StartTLS()
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	f.Directory = srv.URL + "/dir"
	return f
}

func (f *Front) change(resp *http.Response) error {
	path := resp.Request.URL.Path
	certs := f.Certs.Load()
	if path != "/dir" && (certs == nil || !strings.HasPrefix(path, "/certZ/")) {
		return nil
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if path == "/dir" {
		var dir map[string]any
		if err := json.Unmarshal(b, &dir); err != nil {
			return err
		}
		dir["renewalInfo"] = "https://" + resp.Request.Host + RenewalPath
		if b, err = json.Marshal(dir); err != nil {
			return err
		}
	} else if resp.StatusCode == http.StatusOK {
		b = *certs
	}
	resp.Body = io.NopCloser(bytes.NewReader(b))
	resp.ContentLength = int64(len(b))
	resp.Header.Set("Content-Length", strconv.Itoa(len(b)))
	return nil
}
