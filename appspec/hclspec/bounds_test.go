package hclspec

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// TestBounds has files that ask for more than a spec needs: each is refused, in
// words, in time, and without memory to match.
func TestBounds(t *testing.T) {
	in := func(expr string) string {
		return "app \"blog\" {\n  enabled = false\n  env = { A = " + expr + " }\n}\n"
	}
	for name, c := range map[string]struct{ text, want string }{
		"10 MB":            {strings.Repeat("# comment\n", 1<<20), "it has 10MiB, more than the 8MiB that are allowed"},
		"10 MB of brace":   {strings.Repeat("{", 10<<20), "it has 10MiB, more than the 8MiB that are allowed"},
		"many words":       {strings.Repeat("a ", 3<<20), "the file has more than 2000000 tokens"},
		"lists":            {in(strings.Repeat("[", 1<<14)), "the file has brackets nested deeper than 200"},
		"parentheses":      {in(strings.Repeat("(", 1<<14)), "the file has brackets nested deeper than 200"},
		"closed lists":     {in(strings.Repeat("[", 5000) + strings.Repeat("]", 5000)), "the file has brackets nested deeper than 200"},
		"blocks":           {strings.Repeat("a {\n", 1<<14), "the file has brackets nested deeper than 200"},
		"templates":        {in(strings.Repeat(`"${`, 1<<14)), "the file has brackets nested deeper than 200"},
		"not not":          {in(strings.Repeat("!", 1<<14) + "true"), "the file has an expression with more than 2000 operators"},
		"minus":            {in(strings.Repeat("-", 1<<14) + "1"), "the file has an expression with more than 2000 operators"},
		"sum":              {in("1" + strings.Repeat("+1", 1<<14)), "the file has an expression with more than 2000 operators"},
		"sum over lines":   {in("(1\n" + strings.Repeat("+1\n", 1<<14) + ")"), "the file has an expression with more than 2000 operators"},
		"conditions":       {in(strings.Repeat("true ? 1 : ", 1<<14) + "1"), "the file has an expression with more than 2000 operators"},
		"indexes":          {in("x" + strings.Repeat("[0]", 1<<14)), "the file has an expression with more than 2000 operators"},
		"names":            {in("x" + strings.Repeat(".y", 1<<14)), "the file has an expression with more than 2000 operators"},
		"splats":           {in("x" + strings.Repeat(".*", 1<<14)), "the file has an expression with more than 2000 operators"},
		"directives":       {in(`"` + strings.Repeat("%{if true}", 1<<14) + `"`), "the file has more than 500 template directives"},
		"digits":           {in(strings.Repeat("9", 1<<14)), "the file has a number with more than 400 digits"},
		"exponent":         {in(`"${1e999999999}"`), "the value could grow to more than 64MiB"},
		"exponent, less":   {in(`"${1e300000000}x"`), "the value could grow to more than 64MiB"},
		"exponent in text": {in(`"${"1e999999999" + 1}"`), "the value could grow to more than 64MiB"},
		"loops":            {in(`jsonencode([for a in split("", "` + strings.Repeat("x", 4000) + `") : [for b in split("", "` + strings.Repeat("x", 4000) + `") : b]])`), "the value could grow to more than 64MiB"},
		"width":            {in(`format("%999999999d", 1)`), "cannot call format()"},
		"json in text":     {in(`jsondecode("` + strings.Repeat("[", 3000) + `")`), "cannot call jsondecode()"},
		"json digits":      {in(`jsondecode("` + strings.Repeat("9", 3000) + `")`), "cannot call jsondecode()"},
		"json exponent":    {in(`"${jsondecode("1e999999999")}"`), "the value could grow to more than 64MiB"},
	} {
		t.Run(name, func(t *testing.T) { bounded(t, "x.hcl", c.text, c.want) })
	}
	js := func(value string) string { return `{"app": {"blog": {"enabled": false, "env": {"A": ` + value + `}}}}` }
	for name, c := range map[string]struct{ text, want string }{
		"lists":     {strings.Repeat("[", 1<<14), "the file has brackets nested deeper than 200"},
		"objects":   {strings.Repeat(`{"a":`, 1<<14), "the file has brackets nested deeper than 200"},
		"digits":    {js(strings.Repeat("9", 1<<14)), "the file has a number with more than 400 digits"},
		"templates": {js(`"` + strings.Repeat("${", 1<<14) + `"`), "the file has brackets nested deeper than 200"},
		"sum":       {js(`"${1` + strings.Repeat("+1", 1<<14) + `}"`), "the file has an expression with more than 2000 operators"},
		"exponent":  {js(`"${1e999999999}x"`), "the value could grow to more than 64MiB"},
		"not":       {js(`"${` + strings.Repeat("!", 1<<14) + `true}"`), "the file has an expression with more than 2000 operators"},
	} {
		t.Run("json "+name, func(t *testing.T) { bounded(t, "x.hcl.json", c.text, c.want) })
	}
}

// bounded loads one file and wants one fault.
func bounded(t *testing.T, name, text, want string) {
	t.Helper()
	fsys := memory(t, map[string]string{name: text})
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	set := load(t, testOptions(), fsys, "/etc/wsgid.d")
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	if len(set.Faults) != 1 || !strings.Contains(set.Faults[0].Text, want) {
		t.Errorf("got %s\nwant %s", shorten(fmt.Sprint(set.Faults)), want)
	}
	for _, f := range set.Faults {
		if len(f.Text) > 4000 {
			t.Errorf("the text has %d bytes", len(f.Text))
		}
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<29 {
		t.Errorf("took %d MB in all", used>>20)
	}
	t.Logf("%v, %d MB in all", took, (after.TotalAlloc-before.TotalAlloc)>>20)
}

func shorten(s string) string { return s[:min(len(s), 500)] }

// TestRichFiles has what is large or odd and all the same good.
func TestRichFiles(t *testing.T) {
	key := strings.Repeat("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBK+/cwggSjAgEAAoIBAQC7/+\n", 500)
	long := "app \"blog\" {\n  enabled = false\n  env = { KEY = <<EOT\n" + key + "EOT\n  N = 1\n}\n" +
		"  middleware = [\n" + strings.Repeat("    \"a.b:c\", # ((((((((((((\n", 3000) + "  ]\n}\n"
	fsys := memory(t, map[string]string{
		"a.hcl": "\xef\xbb\xbf" + minimal("bom", "8000"),
		"b.hcl": strings.ReplaceAll(minimal("crlf", "8001"), "\n", "\r\n"),
		"c.hcl": long,
		"d.hcl": "# nothing but a comment",
		"e.hcl": strings.TrimSpace(minimal("noeol", "8002")),
		"f.hcl": strings.ReplaceAll("app \"heredoc\" {\n  enabled = false\n  env = {\n    KEY = <<-E\n      a\n      b\n    E\n  }\n}\n", "\n", "\r\n"),
	})
	set := good(t, load(t, testOptions(), fsys, "/etc/wsgid.d"))
	if set.Specs["blog"].Env["KEY"] != key || len(set.Specs["blog"].Middleware) != 3000 || len(set.Specs) != 5 || set.Specs["heredoc"].Env["KEY"] != "a\nb\n" {
		t.Errorf("got %v", names(set))
	}
}

// many writes n apps, each in a file of its own or all in one.
func many(t testing.TB, n int, one bool) afero.Fs {
	files := make(map[string]string, n)
	var all bytes.Buffer
	for i := range n {
		text := fmt.Sprintf(`# App number %d.
app "app%d" {
  wsgi_app = "blog.wsgi:application"
  env      = { TZ = "UTC", KEY = sensitive("x%d") }
  sockets {
    http {
      listen = "127.0.0.1:%d"
    }
    http {
      listen = "unix:/run/app%d.sock"
      mode   = "0600"
    }
  }
  workers {
    count           = 2
    request_timeout = "30s"
  }
  django {
    overrides = { DEBUG = false, DATABASES = { default = { NAME = "x%d" } } }
  }
}
`, i, i, i, 1024+i, i, i)
		if one {
			all.WriteString(text)
		} else {
			files[fmt.Sprintf("app%d.hcl", i)] = text
		}
	}
	if one {
		files["all.hcl"] = all.String()
	}
	files["defaults.hcl"] = "defaults {\n  env = { A = \"1\" }\n  workers {\n    threads = 2\n  }\n}\n"
	return memory(t, files)
}

func TestManyApps(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: thousands of apps")
	}
	if set := good(t, load(t, testOptions(), many(t, 10000, true), "/etc/wsgid.d")); len(set.Specs) != 10000 {
		t.Errorf("%d apps", len(set.Specs))
	}
	// All at fault, each in its own words.
	fsys := many(t, 2000, true)
	text, err := afero.ReadFile(fsys, "/etc/wsgid.d/all.hcl")
	check(t, err)
	check(t, afero.WriteFile(fsys, "/etc/wsgid.d/all.hcl", bytes.ReplaceAll(text, []byte("count "), []byte("coumt ")), 0o644))
	if set := load(t, testOptions(), fsys, "/etc/wsgid.d"); len(set.Faults) != 2000 || len(set.Specs) != 0 {
		t.Errorf("%d faults, %d apps", len(set.Faults), len(set.Specs))
	}
}

// BenchmarkLoad1000 is validate of 1,000 files; the bar is 1 s.
func BenchmarkLoad1000(b *testing.B) {
	fsys := many(b, 1000, false)
	b.ReportAllocs()
	for b.Loop() {
		set, err := testOptions().Load(fsys, "/etc/wsgid.d")
		if err != nil || len(set.Specs) != 1000 || len(set.Faults) > 0 {
			b.Fatal(err, len(set.Specs))
		}
	}
}

func BenchmarkDiff(b *testing.B) {
	old, now := full(), full()
	now.Workers.Max++
	b.ReportAllocs()
	for b.Loop() {
		if len(appspec.Diff(old, now)) != 1 {
			b.Fatal("changes")
		}
	}
}
