package hclspec

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

const (
	examplesDir   = "../../examples/specs"
	referencePage = examplesDir + "/README.md"
)

// TestReference fails where the reference page is not what the table says.
func TestReference(t *testing.T) {
	want := reference(t)
	if *update {
		check(t, os.WriteFile(referencePage, []byte(want), 0o644))
		return
	}
	got, err := os.ReadFile(referencePage)
	check(t, err)
	if string(got) != want {
		t.Errorf("%s is not what the table says: run go generate ./appspec", referencePage)
	}
}

// reference writes the page.
func reference(t *testing.T) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("# The spec language\n")
	p("This page is written by `go generate ./appspec` from the table that the decoder reads. Do not edit it.\n")
	p("A spec directory (`--dir`, by default `/etc/wsgid.d`) holds files `*.hcl`, and `*.hcl.json` in HCL's JSON syntax. Each holds any number of")
	p("`app \"NAME\" { … }` blocks and `locals { … }`, which are of that file alone. `defaults.hcl` may hold one `defaults { … }` block for all apps.")
	p("Names of apps: small letters, digits, `-` and `_`, at most 63, the first a letter or a digit.\n")
	p("`wsgid-fleet validate` says what is wrong with a file, where, and what to write instead. An app whose spec is broken keeps running as it is.\n")
	p("## Examples\n")
	files, err := filepath.Glob(examplesDir + "/*.hcl*")
	check(t, err)
	for _, f := range files {
		text, err := os.ReadFile(f)
		check(t, err)
		p("- [%s](%s): %s", filepath.Base(f), filepath.Base(f), firstSentence(string(text)))
	}
	p("\n## Values\n")
	p("- A string stands in double quotes; `${…}` in it is evaluated, `$${` stands for the two characters themselves. `true`, `false` and numbers stand without quotes.")
	p("- A duration is a string as Go's: `\"500ms\"`, `\"90s\"`, `\"1m30s\"`, `\"2h\"`.")
	p("- A size is a string with a unit, `\"512MiB\"` or `\"1GB\"`, or a number of bytes.")
	p("- `null` is as if the attribute were not written.")
	p("- A block on one line holds one attribute: `workers { count = 2 }`.\n")
	p("## Defaults\n")
	p("`defaults { … }` takes every attribute and block of an app but those marked *not in defaults*. Scalars and lists of the app win; `env` and")
	p("`django.overrides` merge key by key; blocks merge attribute by attribute. While `defaults.hcl` is broken nothing changes in the fleet.\n")
	p("## Environments\n")
	p("`environment \"NAME\" { … }` in `app \"blog\"` becomes the app `blog-NAME`, with the folder `<root>/blog-NAME`. It takes whatever an app takes:")
	p("defaults, then the app block, then the environment, each over the one before by the rules of *Defaults*. Blocks that may stand any number")
	p("of times are lists: the `http` blocks of an environment take the place of those of the app block, and so do its `mongrel2` blocks.")
	p("An app with environments does not run itself, and `path` may not stand in its app block. Commands take `blog-dev` and `blog dev` alike:")
	p("a word is an environment of the word before it only where that one is no app. `stop blog dev` stops the apps `blog` and `dev` where there")
	p("is an app `blog`; where `blog` has an environment `dev` there is none, and it stops `blog-dev`, also beside an app `dev`.")
	p("An app that gets environments changes its name: it stops, and they start; on a socket that one of them takes over connections are refused")
	p("until then. Environment variables are no environment, they stand in `env`.\n")
	p("## What a change costs\n")
	p("- **live**: the running master takes it over, no worker is touched.")
	p("- **rolling**: new workers are ready before the old ones leave.")
	p("- **replace**: a new master is ready before the old one drains.")
	p("- **nothing**: it takes effect at the next deploy; of `backends`, hosts begin or cease to run the app.\n")
	p("## Attributes of an app\n")
	writeRows(p, "")
	for _, blk := range appspec.Blocks() {
		p("\n## %s\n", blockTitle(&blk))
		notes := []string{upperFirst(blk.Doc) + "."}
		if blk.Many {
			notes = append(notes, "Any number of them.")
		}
		if blk.NoDefaults && !strings.Contains(blk.Path, ".") {
			notes = append(notes, "*Not in defaults.*")
		}
		p("%s", strings.Join(notes, " "))
		if slices.ContainsFunc(appspec.Attributes(), func(a appspec.Attribute) bool { return a.Block() == blk.Path }) {
			p("")
			writeRows(p, blk.Path)
		}
	}
	p("\n## Processes\n")
	p("A `process` runs as the workers do: same user, environment, interpreter, `working_directory`, umask, limits, chroot and release. Besides, it has")
	p("`PYTHONPATH` with the folder of the code, `PYTHONUNBUFFERED`, `WSGID_PROCESS` (`NAME.NUMBER`) and `WSGID_PROCESS_NUMBER`. `app/…` in its `command` is in the release. What it prints is in the log of")
	p("the app under its name. It belongs to the app's master: it runs on while the daemon is stopped, killed or upgraded. One that ends is started again, at once")
	p("the first time, then with the delays of `restart`; while it waits for that the app is `degraded`. A program must stay in the foreground.\n")
	p("- **Start**: when the workers serve, or none is wanted (`min = 0`; such an app keeps its master). Where they cannot start nothing is started.")
	p("- **Change** of `command` or `count`: only what it is about is restarted, or one more is started, or one less runs; a change of the signal or the time restarts nothing.")
	p("- **Reload, deploy, and other changes of what is run**: first the new workers are ready and serve, then the old process is stopped, and when it has ended, with all")
	p("  that it had started, the new one is started. Nothing runs twice, also not while one master replaces another (`restart`, an upgrade). Code that does not work restarts nothing.")
	p("- **Stop**: first the workers drain, as what they queue at last may be wanted by a process; then each process gets `stop_signal`, once and alone: many programs")
	p("  drop what they are at when all their children get it too, or when it comes twice. Where another master takes over, this begins at once. What has not ended after `stop_timeout`, in whatever session or group, is killed.")
	p("- A process of a shell (`sh -c`) takes the signal in place of what it runs: write `exec` before that, or leave the shell out.\n")
	p("## Schedules\n")
	p("A `schedule` runs as a `process` does, with `WSGID_SCHEDULE` (its name) in place of the two names, and `WSGID_SCHEDULED`, the time that it was to run at, as in RFC 3339.")
	p("It belongs to the app's master: runs come and go on while the daemon is stopped, killed or upgraded. What it prints is in the log of the app under its name;")
	p("how the last run ended, when the next one comes, and what did not run are in `status`. An app whose last run failed serves on, and is told of as a warning.")
	p("`wsgid-fleet trigger APP SCHEDULE` runs one now, besides its times, which change nothing by it; `WSGID_SCHEDULED` is the moment of the order then.\n")
	p("- **Fields**: minute 0-59, hour 0-23, day of month 1-31, month 1-12 or `jan`-`dec`, day of week 0-7 or `sun`-`sat`, where Sunday is 0 and 7. Each is `*`, a value, a range")
	p("  `1-5`, a step `*/15` or `10-50/20`, or a list of these. As in crontab(5) of Debian: where both day fields are given, a day fits by *either*; where one of them begins with `*`,")
	p("  which `*/2` does, it must fit by *both*. Refused, with what to write: seconds and years, a step that is longer than its field (`*/90` runs hourly elsewhere), a range that runs")
	p("  backwards (`22-2`, `fri-mon`), a day that never comes (31 February), `@reboot`, `@every`, and the letters L, W, H and #.")
	p("- **Nights in which clocks are changed**: a line with a fixed minute and hour comes once. When its hour is not there, in spring, it comes at the end of the gap: `30 2 * * *` at")
	p("  03:00, and once also where it had several times in it. When its hour is there twice, in autumn, it comes in the first. A line whose minute or hour begins with `*`")
	p("  goes by the clock: what is not there does not come, and what is there twice comes twice, so that `*/15 * * * *` never pauses. `timezone = \"UTC\"` has no such nights.")
	p("- **Once**: a run is written down before it begins, on disk. Of two masters, while one takes the other's place, one runs it. A master that is killed takes its runs")
	p("  with it; they are told as cut off, and not begun anew.")
	p("- **Late**: a run begins up to five minutes after its time, as when a master is being replaced, the workers come up, or the machine was busy. What was further in the past")
	p("  (the app was stopped, the machine off or suspended, the clock put forward) is missed: counted and told with its times, in `status` and in the log, and not made up for. A clock")
	p("  that is put back by up to three hours runs nothing a second time; one that is put back further was wrong before, or is now: from then on its times count.")
	p("- **Overlap**: while a run is under way, also one of a master that leaves, the next is skipped, counted and told; with `overlap = true` it is run beside it.")
	p("- **Start**: nothing is run before the workers have served. **Change**: at once, and times count from then on where `cron` or `timezone` changed; a run that is under way goes on by the command that it began with, also over a reload, a")
	p("  deploy and a change of the master, which stays for it until it ends. **Stop** of the app: first the workers drain, then a run gets TERM, once and alone, and is killed with all")
	p("  that it has started 30 seconds later. What a run leaves behind when it ends is killed as well: a program must stay in the foreground.\n")
	p("## The gate\n")
	p("`gate { … }` stands beside the apps, once in a directory, in any of its files. It is a process of its own, that brings each connection to the")
	p("app which has the name that its client asks for among its `hosts`, and is not a proxy: it reads the head of a request and hands the connection")
	p("itself over. Names are compared as host names: case, a dot at the end and the port do not count, letters beyond ASCII are IDNA's; a whole name")
	p("comes before a wildcard, and both before the default app. A kept connection that asks for another name goes to its app.")
	p("At a listener with `tls` the name is that of the client's ClientHello, and the app's master ends TLS: by the `tls` of the app, else by that of")
	p("the listener. A request for another app's name on such a connection gets 421. Where no app has the name, or no certificate obtained, the client")
	p("gets a TLS alert (unrecognized_name). A name with a dot at its end is not a server name there (RFC 6066), and refused. Files of certificates are")
	p("read again when they change, and those before serve on while the new ones are of no use.")
	p("The gate runs as the user `wsgid-gate` if there is one, else as `nobody`. While its file is broken it runs on as it is.")
	p("A gate that ends, also by SIGKILL, is replaced, and nobody is refused or cut off meanwhile: the next gate gets the connections that it had.\n")
	for _, blk := range appspec.GateBlocks() {
		notes := upperFirst(blk.Doc) + "."
		if blk.Many {
			notes += " Any number of them."
		}
		p("### %s\n\n%s\n", blockTitle(&blk), notes)
		writeRowsOf(p, appspec.GateAttributes(), blk.Path)
		p("")
	}
	p("## Automatic certificates\n")
	p("With `acme { email = \"…\" }` in the `tls` block of a listener of the gate the daemon gets a certificate for each whole name among the `hosts` of")
	p("the apps that have no `tls` of their own, from an authority that speaks ACME (RFC 8555). By the block you agree to its terms. Before a first order the")
	p("daemon asks for the name itself, as the authority will: one that does not lead here costs nothing. The gate answers the authority by HTTP-01 where it")
	p("has a listener without `tls`, and by TLS-ALPN-01 where it has one with `tls`; an authority asks at the ports 80 and 443 alone. Certificates are renewed")
	p("when the authority wants it (ARI), else when a third of their life is left, without a restart. While an authority is gone or refuses, what serves")
	p("serves on; `status` says why, what to do and when it is tried again, after two minutes at first and at most six hours. Wildcards and addresses get none:")
	p("such an app needs `tls { cert, key }`. Keys, certificates and the account are in `certificates/` of the data directory, which belongs into a backup.\n")
	p("## Functions\n")
	p("| call | gives |")
	p("|---|---|")
	for _, f := range functionNames {
		p("| `%s` | %s |", f.call, f.doc)
	}
	p("\nWhat went through `sensitive()` or `file()` is printed as `(sensitive)` by every command, log line, API answer and metric.\n")
	p("## Checks over all apps\n")
	p("Two apps of one name, with one app folder (by symlinks too), with one socket or with one host are at fault both, and keep running as they are.")
	p("The listeners of the gate are sockets like those of the apps. Sockets and hosts of apps with `enabled = false` are not counted: such an app holds none.")
	return b.String()
}

func blockTitle(b *appspec.Block) string {
	parts := strings.Split(b.Path, ".")
	if b.Named {
		parts[len(parts)-1] += ` "NAME"`
	}
	return "`" + strings.Join(parts, " { ") + " { … }" + strings.Repeat(" }", len(parts)-1) + "`"
}

func writeRows(p func(string, ...any), block string) {
	writeRowsOf(p, appspec.Attributes(), block)
}

func writeRowsOf(p func(string, ...any), all []appspec.Attribute, block string) {
	p("| attribute | type | default | allowed | change | |")
	p("|---|---|---|---|---|---|")
	for _, a := range all {
		if a.Block() != block {
			continue
		}
		def := ""
		if a.Default != "" {
			def = "`" + a.Default + "`"
		} else if a.Required {
			def = "*required*"
		}
		doc := upperFirst(a.Doc) + "."
		if a.NoDefaults && block == "" {
			doc += " *Not in defaults.*"
		}
		p("| `%s` | %s | %s | %s | %s | %s |", a.Name(), a.Type, def, allowed(&a), a.Disruption, strings.ReplaceAll(doc, "|", `\|`))
	}
}

// allowed is the allowed values in words.
func allowed(a *appspec.Attribute) string {
	switch {
	case len(a.OneOf) > 0:
		return "`" + strings.Join(a.OneOf, "`, `") + "`"
	case a.Form != "":
		return a.Form
	case a.Min == 0 && a.Max == 0:
		return ""
	}
	show := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	switch a.Type {
	case appspec.TypeDuration:
		show = showDuration
	case appspec.TypeSize:
		show = showSize
	default:
	}
	return strings.ReplaceAll(a.RangeText(show), `"`, "")
}

func upperFirst(s string) string {
	if s == "" || s[0] == '`' {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// firstSentence is the first sentence of a file's opening comment.
func firstSentence(text string) string {
	var words []string
	for line := range strings.SplitSeq(text, "\n") {
		line, ok := strings.CutPrefix(line, "#")
		if !ok || line == "" {
			break
		}
		words = append(words, strings.TrimSpace(line))
	}
	all := strings.Join(words, " ")
	if all == "" {
		return "the JSON syntax."
	}
	if i := strings.Index(all, ". "); i >= 0 {
		all = all[:i+1]
	}
	return strings.ToLower(all[:1]) + all[1:]
}

// TestExamples validates each example, and all of them as one directory, in
// canonical form.
func TestExamples(t *testing.T) {
	o := Options{Root: true, Systemd: true, CPUs: 2, LookupEnv: func(string) (string, bool) { return "", false }}
	fsys := memory(t, map[string]string{
		"/etc/wsgid.d/secrets/shop/secret_key": "k\n", "/etc/wsgid.d/secrets/shop/db_password": "p\n",
		"/srv/notes/secret_key": "k\n", "/srv/notes/venv/bin/python3": "",
	})
	entries, err := os.ReadDir(examplesDir)
	check(t, err)
	var files []string
	for _, e := range entries {
		if !IsSpecFile(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(examplesDir, e.Name()))
		check(t, err)
		path := "/etc/wsgid.d/" + e.Name()
		check(t, afero.WriteFile(fsys, path, text, 0o644))
		files = append(files, path)
		if strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		formatted, err := FormatSource(text)
		if err != nil || string(formatted) != string(text) {
			t.Errorf("%s is not in canonical form: %v", e.Name(), err)
		}
	}
	apps := func(path string) int {
		switch filepath.Base(path) {
		case defaultsFile:
			return 0
		case "environments.hcl":
			return 2
		case "gate.hcl":
			return 3 // the gate stands among them
		}
		return 1
	}
	for _, path := range files {
		set := good(t, o.LoadFiles(fsys, path))
		if len(set.Warnings) > 0 {
			t.Errorf("%s: %v", path, set.Warnings)
		}
		if len(set.Specs) != apps(path) {
			t.Errorf("%s: apps %v", path, names(set))
		}
	}
	set := good(t, load(t, o, fsys, "/etc/wsgid.d"))
	all := 0
	for _, path := range files {
		all += apps(path)
	}
	if len(set.Specs) != all {
		t.Errorf("apps %v of %v", names(set), files)
	}
	shop := set.Specs["shop"]
	if !shop.IsSensitive("django.overrides.DATABASES.default.PASSWORD") || !shop.IsSensitive("django.overrides.SECRET_KEY") || !shop.IsSensitive("env.SENTRY_DSN") {
		t.Errorf("secrets of shop: %v", shop.Sensitive)
	}
}
