package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/doctor"
)

func (c *cli) doctorCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check this machine for common problems, and say what to do",
		Long: `Check what a fleet depends on: the specs, the limits of descriptors,
processes and inotify, net.core.somaxconn, ports of apps and of the gate that another
program has, users and groups, interpreters, parent folders that keep an app's user out,
certificates, also those that the daemon gets, the clock, disk space, inodes and read-only disks, the state directory, the systemd unit,
control groups, libzmq. Nothing is changed. What an ordinary user may
not read is unknown.

With -o json the answer is one object:

  {"checks": [{"check": NAME, "state": "ok"|"warn"|"bad"|"unknown",
               "what": TEXT, "do": TEXT}]}

Exit code: 0 nothing is bad, 1 something is.`,
		ValidArgsFunction: cobra.NoFileCompletions,
		Args:              outputArgs(&output, noArgs, "text", "json"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			look, err := c.doctorFleet(cmd)
			if err != nil {
				return err
			}
			found := doctor.Check(doctor.Look(cmd.Context(), look))
			if output == "json" {
				if err := writeJSON(c.out, map[string]any{"checks": found}); err != nil {
					return err
				}
			} else {
				writeDoctor(c.out, c.style(), found)
			}
			if !doctor.Good(found) {
				return silent(exitFailed)
			}
			return nil
		},
	}
	outputFlag(cmd, &output, "text", "json")
	return cmd
}

// doctorFleet is what is known of the fleet that doctor looks at.
func (c *cli) doctorFleet(cmd *cobra.Command) (doctor.Fleet, error) {
	look := doctor.Fleet{Masters: map[string][]int{}, Managed: map[string][]doctor.Certificate{}, Dir: c.specDir(), System: os.DirFS("/")}
	op, err := c.operator(cmd.Context())
	if err == nil {
		defer op.Close()
		status, err := op.Status(cmd.Context())
		if err != nil {
			return look, err
		}
		c.addRunning(&look, status)
	} else {
		look.Foreign = err.Error()
		if n, ok := errors.AsType[*fleet.NeighbourError](err); ok {
			look.AsUser = asUser(n.User, cmd.CommandPath(), c.args)
			if c.dir == "" && n.Dir != "" {
				look.Dir = n.Dir
			}
		}
	}
	look.State, look.Data = fleet.Directories(c.options())
	set, err := c.load(look.Dir)
	if err != nil {
		look.Faults = []string{err.Error()}
		return look, nil
	}
	look.Specs = set.Specs
	for _, f := range set.Faults {
		look.Faults = append(look.Faults, f.Summary)
	}
	return look, nil
}

// addRunning adds what runs.
func (c *cli) addRunning(look *doctor.Fleet, status *fleet.Status) {
	if d := status.Daemon; d != nil {
		look.Daemon = d.PID
		if c.dir == "" {
			look.Dir = d.Dir
		}
	}
	for _, app := range status.Apps {
		if app.Master != nil {
			look.Masters[app.Name] = append(look.Masters[app.Name], app.Master.PID)
		}
		look.Managed[app.Name] = managedCertificates(app)
	}
	if g := status.Gate; g != nil && g.Master != nil {
		look.Masters[appspec.GateName] = []int{g.Master.PID}
	}
}

// managedCertificates are those that the daemon gets for an app, by what it says of
// them: one that cannot be got keeps clients away, one that was not renewed yet, or
// not asked for, does not.
func managedCertificates(app fleet.AppStatus) (all []doctor.Certificate) {
	for _, c := range app.Certificates {
		if c.Host == "" {
			continue
		}
		one := doctor.Certificate{File: c.Cert, Trouble: c.Problem, Soon: time.Now().Before(c.Expires) || c.Failures == 0}
		if c.Problem != "" {
			one.Do = "wsgid-fleet status " + app.Name + " tells of the next try"
		}
		all = append(all, one)
	}
	return all
}

// writeDoctor is a line a finding, and one below it for what to do.
func writeDoctor(w io.Writer, s style, found []doctor.Finding) {
	counts := map[string]int{}
	width := 0
	for _, f := range found {
		width = max(width, columns(f.Check))
	}
	looks := map[string]paint{doctor.OK: green, doctor.Warn: yellow, doctor.Bad: red, doctor.Unknown: faint}
	for _, f := range found {
		counts[f.State]++
		fmt.Fprintf(w, "%s%s  %s%s  %s\n", s.paint(looks[f.State], f.State), spaces(7-len(f.State)), f.Check, spaces(width-columns(f.Check)), oneLine(f.What))
		if f.Do != "" {
			fmt.Fprintf(w, "%s→ %s\n", spaces(width+11), oneLine(f.Do))
		}
	}
	var parts []string
	for _, state := range []string{doctor.Bad, doctor.Warn, doctor.Unknown, doctor.OK} {
		if counts[state] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[state], state))
		}
	}
	fmt.Fprintf(w, "\n%s: %s\n", count(len(found), "finding"), strings.Join(parts, ", "))
}
