package applog

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

func maskOf(secrets ...string) *Mask {
	spec := appspec.Default("demo", "/srv/demo")
	spec.Env, spec.Sensitive = map[string]string{}, map[string]bool{"env": true}
	for i, s := range secrets {
		spec.Env[fmt.Sprintf("S%d", i)] = s
	}
	m := &Mask{}
	m.Learn(spec)
	return m
}

func TestMask(t *testing.T) {
	const secret = `pa'ss "w\rd<é>&/+ ?`
	m := maskOf(secret, "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----\n", "postgres://blog:tigers-eye@db/blog", "abcd", "ab", "")
	b64 := base64.StdEncoding.EncodeToString
	for _, said := range []string{
		"E: " + secret,
		`E: 'pa\'ss "w\\rd<é>&/+ ?'`,
		`E: "pa'ss \"w\\rd<é>&/+ ?"`,
		`E: 'pa\'ss "w\\rd<\xe9>&/+ ?'`,
		`{"k": "pa'ss \"w\\rd<\u00e9>&/+ ?"}`,
		`{"k": "pa'ss \"w\\rd<é>&/+ ?"}`,
		"GET /?k=pa%27ss+%22w%5Crd%3C%C3%A9%3E%26%2F%2B+%3F",
		"GET /?k=pa%27ss%20%22w%5Crd%3C%C3%A9%3E%26%2F%2B%20%3F",
		"Basic " + b64([]byte("u:"+secret)),
		"Basic " + b64([]byte("us:"+secret+"more")),
		"Basic " + b64([]byte("use:"+secret)),
		"line\nMIIEvQIBADANBg\n",
		"-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----",
		`'-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----\n'`,
		"cannot connect to postgres://blog:tigers-eye@db/blog",
		`password "tigers-eye" is wrong`,
		"key=abcd;",
	} {
		got := m.Text(said)
		if !strings.Contains(got, Masked) {
			t.Errorf("%q stays", said)
		}
		for _, part := range []string{"pa'ss", `pa\'ss`, "pa%27ss", "MIIE", "tigers", "abcd", b64([]byte("ss \"w"))[:6]} {
			if strings.Contains(got, part) {
				t.Errorf("%q becomes %q", said, got)
			}
		}
	}
	for _, said := range []string{"abcdef and ab stay", "ModuleNotFoundError: No module named 'blog'", ""} {
		if got := m.Text(said); got != said {
			t.Errorf("%q becomes %q", said, got)
		}
	}
	none := &Mask{}
	none.Learn(appspec.Default("demo", "/srv/demo"))
	line := []byte("a line of an app without secrets")
	if n := testing.AllocsPerRun(10, func() { none.Bytes(line) }); n != 0 {
		t.Errorf("%v allocations where there is no secret", n)
	}
	if n := testing.AllocsPerRun(10, func() { m.Bytes(line) }); n != 0 {
		t.Errorf("%v allocations for a line without one", n)
	}
}

// A file of variables has much beside secrets: what a log says everywhere is readable, and
// what the spec says itself.
func TestMaskHidesNothingThatIsTold(t *testing.T) {
	spec := appspec.Default("shop", "/srv/sites/shop")
	spec.WSGIApp, spec.User, spec.Hosts = "store.wsgi:application", "shopper", []string{"shop.example.org"}
	spec.Sensitive = map[string]bool{"env": true}
	values := []string{"shop", "store", "shopper", "/srv/sites", "/srv/sites/shop", "shop.example.org", "True", "INFO", "127.0.0.1", "8000", "production", "postgres"}
	spec.Env = map[string]string{"KEY": "tigers-eye", "PIN": "123456", "USERS": "shoppers", "DATABASE_URL": "postgres://shop:shop@db/shop"}
	for _, v := range values {
		spec.Env["V"+v] = v
	}
	m := &Mask{}
	m.Learn(spec)
	said := strings.Join(values, " ; ")
	if got := m.Text(said); got != said {
		t.Errorf("%q becomes %q", said, got)
	}
	for _, secret := range []string{"tigers-eye", "123456", "shoppers", "postgres://shop:shop@db/shop"} {
		if got := m.Text("it is " + secret); got != "it is "+Masked {
			t.Errorf("%s: %q", secret, got)
		}
	}
}
