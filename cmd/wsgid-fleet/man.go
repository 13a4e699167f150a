//go:build man

package main

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
)

// Built by "make man" alone (-tags man): what writes manual pages is no part of the
// program that is installed. The arguments are a folder to write to, the reference
// page of the language, and the program wsgid.
func init() {
	if len(os.Args) != 5 || os.Args[1] != "man" {
		return
	}
	if err := writeManual(os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, "cannot write the manual pages:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// writeManual makes wsgid-fleet(8) and a page for each command from their help
// texts, wsgid(1) from that program's own, wsgid.d(5) from the reference page.
func writeManual(dir, reference, wsgid string) error {
	root := newCLI().root()
	root.Long += "\n\nSpecs are described in wsgid.d(5). The service is wsgid-fleet.service; its options are in /etc/default/wsgid-fleet."
	root.DisableAutoGenTag = true
	literal(root)
	header := doc.GenManHeader{Section: "8", Source: programName, Manual: "System Administration"}
	if err := doc.GenManTree(root, &header, dir); err != nil {
		return err
	}
	page, err := os.ReadFile(reference)
	if err != nil {
		return err
	}
	// md2man takes the title from a line of its own form.
	title := "% WSGID.D 5 \"\" \"" + programName + "\" \"File Formats\"\n\n# NAME\n\nwsgid.d - specs of WSGI applications, files of " + fleet.DefaultDir + "\n\n# DESCRIPTION\n\n"
	if err := write(dir, "wsgid.d.5", md2man.Render([]byte(title+forManual(string(page))))); err != nil {
		return err
	}
	help, err := exec.Command(wsgid, "help").Output()
	if err != nil {
		return fmt.Errorf("%s help: %w", wsgid, err)
	}
	return write(dir, "wsgid.1", verbatim("WSGID 1 \"\" "+programName+" \"User Commands\"", string(help)))
}

// literal makes what is indented in help texts Markdown's blocks of code: to it two
// blanks are none, and lines would run together.
func literal(c *cobra.Command) {
	var text strings.Builder
	for line := range strings.Lines(c.Long) {
		if strings.HasPrefix(line, "  ") {
			line = "    " + line
		}
		text.WriteString(line)
	}
	c.Long = text.String()
	for _, sub := range c.Commands() {
		literal(sub)
	}
}

var link = regexp.MustCompile(`\[([^]]+)\]\([^)]+\)`)

// forManual is the reference page without what a manual page cannot show: its own
// title, links to files beside it, and tables, whose rows become entries of a list.
func forManual(page string) string {
	var out strings.Builder
	var head []string
	for line := range strings.Lines(page) {
		cells := strings.Split(strings.Trim(strings.ReplaceAll(strings.TrimSpace(line), `\|`, "\x00"), "|"), " |")
		switch {
		case strings.HasPrefix(line, "# "), strings.HasPrefix(line, "This page is written by"):
		case !strings.HasPrefix(line, "|"):
			head = nil
			out.WriteString(link.ReplaceAllString(line, "$1"))
		case head == nil:
			head = cells
		case !strings.HasPrefix(line, "|---"):
			out.WriteString("**" + strings.Trim(strings.TrimSpace(cells[0]), "`") + "**\n:   " + entry(head, cells) + "\n\n")
		}
	}
	return strings.ReplaceAll(out.String(), "\x00", "|")
}

// entry is what the cells behind the first one say: the last first, which has no
// heading, then each other with the heading of its column.
func entry(head, cells []string) string {
	var says []string
	for i, cell := range cells[1:] {
		cell = strings.TrimSpace(cell)
		name := ""
		if i+1 < len(head) {
			name = strings.TrimSpace(head[i+1])
		}
		switch {
		case cell == "":
		case name == "":
			says = slices.Insert(says, 0, strings.TrimSuffix(strings.Replace(cell, ".*", "*.", 1), ".")+".")
		default:
			says = append(says, strings.ToUpper(name[:1])+name[1:]+": "+strings.TrimSuffix(cell, ".")+".")
		}
	}
	return strings.Join(says, " ")
}

func write(dir, name string, page []byte) error {
	return os.WriteFile(filepath.Join(dir, name), page, 0o644)
}

// verbatim makes a page of a text that has a page's form already: headings in
// capitals at the margin, all else indented by four.
func verbatim(title, text string) []byte {
	var page strings.Builder
	page.WriteString(".TH " + title + "\n.ad l\n.nh\n")
	filled := true
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		heading := line != "" && line[0] != ' '
		switch {
		case heading && !filled:
			page.WriteString(".fi\n")
			fallthrough
		case heading:
			page.WriteString(".SH " + line + "\n")
			filled = true
			continue
		case filled:
			page.WriteString(".nf\n")
			filled = false
		}
		line = strings.NewReplacer(`\`, `\e`, `-`, `\-`, `'`, `\(aq`).Replace(strings.TrimPrefix(line, "    "))
		page.WriteString(cmp.Or(strings.Replace(line, ".", `\&.`, min(1, strings.Count(line[:min(1, len(line))], "."))), ".sp") + "\n")
	}
	if !filled {
		page.WriteString(".fi\n")
	}
	return []byte(page.String())
}
