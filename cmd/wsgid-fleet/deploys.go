package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy"
)

func (c *cli) deploysCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "deploys [APP...]",
		Short: "List the deploys of apps, the newest first",
		Long: `List the logbook of deploys, of all apps where none is named. For one deploy
whole, with what its stages printed:
wsgid-fleet deploys show APP ID.`,
		Args:              outputArgs(&output, nil, "text", "json"),
		ValidArgsFunction: c.completeApps,
		RunE: func(cmd *cobra.Command, args []string) error {
			es, err := c.logbook(cmd.Context(), args)
			if err != nil {
				return err
			}
			if output == "json" {
				return writeJSON(c.out, es)
			}
			c.writeDeploys(es)
			return nil
		},
	}
	outputFlag(cmd, &output, "text", "json")
	show := &cobra.Command{
		Use:   "show APP ID",
		Short: "Print one deploy whole",
		Long:  `Print one deploy: its stages, how long each took, and the last that each printed.`,
		Args: outputArgs(&output, func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) > 3 {
				return errors.New("cannot show a deploy: name the app and the deploy: wsgid-fleet deploys show APP ID")
			}
			return nil
		}, "text", "json"),
		ValidArgsFunction: c.completeApps,
		RunE: func(cmd *cobra.Command, args []string) error {
			id := args[len(args)-1]
			var apps []string
			if len(args) > 1 {
				apps = args[:len(args)-1]
			}
			es, err := c.logbook(cmd.Context(), apps)
			if err != nil {
				return err
			}
			var found []*deploy.Entry
			for _, e := range es {
				if e.ID == id {
					found = append(found, e)
				}
			}
			switch {
			case len(found) == 0:
				return fmt.Errorf("cannot show deploy %s: there is none with that id; list them with: wsgid-fleet deploys", id)
			case len(found) > 1:
				return fmt.Errorf("cannot show deploy %s: %s and %s both have one with that id; name the app too", id, found[0].App, found[1].App)
			case output == "json":
				return writeJSON(c.out, found[0])
			}
			c.writeDeploy(found[0])
			return nil
		},
	}
	outputFlag(show, &output, "text", "json")
	cmd.AddCommand(show)
	return cmd
}

func (c *cli) logbook(ctx context.Context, apps []string) ([]*deploy.Entry, error) {
	op, err := c.operator(ctx)
	if err != nil {
		return nil, err
	}
	defer op.Close()
	if apps, err = c.apps(ctx, op, "list the deploys of", apps); err != nil {
		return nil, err
	}
	return op.Deploys(ctx, apps)
}

func (c *cli) writeDeploys(es []*deploy.Entry) {
	if len(es) == 0 {
		fmt.Fprintln(c.out, "no deploys yet; deploy an app with: wsgid-fleet deploy APP")
		return
	}
	t := &table{columns: []column{{title: "ID"}, {title: "APP"}, {title: "WHEN", drop: 2}, {title: "WHO", drop: 3},
		{title: "COMMIT"}, {title: "RESULT"}, {title: "TOOK", right: true, drop: 1}, {title: "REASON"}}}
	for _, e := range es {
		took := none
		if d := e.Took(); d > 0 {
			took = d.Round(10 * time.Millisecond).String()
		}
		reason, more, _ := strings.Cut(e.Reason, "\n") // the rest is in deploys show
		if more != "" {
			reason += " …"
		}
		result := e.Result
		if e.Kind == deploy.KindRollback {
			result = "rollback " + result
		}
		t.add(cell{text: e.ID}, cell{text: e.App}, cell{text: e.Began.Local().Format("2006-01-02 15:04:05")}, cell{text: e.By},
			cell{text: shortCommit(e.Commit)}, cell{text: result, paint: resultPaint(e.Result)}, cell{text: took}, cell{text: oneLine(reason)})
	}
	t.writeTo(c.out, c.style())
}

func (c *cli) writeDeploy(e *deploy.Entry) {
	s := c.style()
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(c.out, "%-12s %s\n", name+":", text)
		}
	}
	line("deploy", e.ID+" ("+e.Kind+")")
	line("app", e.App)
	line("result", s.paint(resultPaint(e.Result), e.Result))
	line("reason", printable(e.Reason))
	line("by", e.By)
	line("began", e.Began.Local().Format(time.RFC3339))
	line("ended", endText(e.Ended))
	line("asked for", e.Ref)
	line("commit", e.Commit)
	line("release", e.Release)
	line("virtualenv", e.Virtualenv)
	for _, st := range e.Stages {
		took := ""
		if d := st.Took(); d > 0 {
			took = " in " + d.Round(10*time.Millisecond).String()
		}
		note := ""
		if st.Note != "" {
			note = " (" + oneLine(st.Note) + ")"
		}
		fmt.Fprintf(c.out, "%s: %s%s%s\n", st.Name, s.paint(resultPaint(st.Result), st.Result), took, note)
		writeOutput(c.out, st.Output)
	}
}

func endText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(time.RFC3339)
}

func shortCommit(id string) string {
	if id == "" {
		return none
	}
	return appspec.ShortCommit(id)
}

func resultPaint(result string) paint {
	switch result {
	case deploy.ResultOK:
		return green
	case deploy.ResultRunning:
		return cyan
	case deploy.ResultInterrupted:
		return yellow
	}
	return red
}
