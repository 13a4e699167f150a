package appspec

// The rows of what runs beside the workers. A change of one block restarts what it
// describes, and nothing else: that is why they are live.

// processField is an attribute of one process block.
func processField[T any](field func(*Process) *T) func(*Spec, int) any {
	return func(s *Spec, i int) any {
		if i >= len(s.Processes) {
			return nil
		}
		return field(&s.Processes[i])
	}
}

var stopSignals = []string{"TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "WINCH"}

var processAttributes = []Attribute{
	{Path: "process.command", Type: TypeList, Required: true, Disruption: Live, Example: `["celery", "-A", "blog", "worker"]`,
		Form: "a program and its arguments; no shell reads them", check: checkText,
		Doc: "what is run; `python` is the interpreter of the app, a program without `/` is looked for in the virtualenv, then in PATH",
		at:  processField(func(p *Process) *[]string { return &p.Command })},
	{Path: "process.count", Type: TypeInt, Default: "1", Disruption: Live, Max: 1000,
		Doc: "how many of it run, told apart by `WSGID_PROCESS_NUMBER`, 1 and up, in their environment; 0: none",
		at:  processField(func(p *Process) *int { return &p.Count })},
	{Path: "process.stop_signal", Type: TypeString, Default: `"TERM"`, Disruption: Live, OneOf: stopSignals,
		Doc: "what tells it to stop: sent once, to the process that was started and to none that it started itself",
		at:  processField(func(p *Process) *string { return &p.StopSignal })},
	{Path: "process.stop_timeout", Type: TypeDuration, Default: `"30s"`, Disruption: Live, Min: ms, Max: day,
		Doc: "time for it to end, with all that it has started; what is left then is killed, in whatever session or group it is",
		at:  processField(func(p *Process) *Duration { return &p.StopTimeout })},
}

var processBlocks = []Block{
	{Path: "process", Many: true, Named: true, NoDefaults: true,
		Doc: "a program that runs beside the workers, such as a queue's consumer or a bot: see *Processes*. One in an environment with the name of one of the app block changes what it says of it",
		open: func(s *Spec, i int) {
			if i == len(s.Processes) {
				s.Processes = append(s.Processes, Process{})
			}
		}},
}
