package pool

// phase is where a worker is in its life.
type phase uint8

const (
	phaseStarting  phase = iota // its process is being started, or loads the application
	phaseUnsuited               // forked from the stem, and cannot begin; a process of its own comes next
	phaseChecking               // has loaded, and has yet to answer its first health check
	phaseStandby                // could serve, and waits until its whole rollout can
	phaseServing                // is given requests
	phaseReplacing              // serves on until its replacement does
	phaseDraining               // is given no more, and ends after what it has begun
	phaseKilled                 // has been sent a signal that ends it, or will be as soon as it has a process
	phaseEnded                  // its process is gone; how it ended is not told yet
	phaseGone                   // out of the pool
	phases
)

func (p phase) String() string {
	return [phases]string{"starting", "unsuited", "checking", "standby", "serving", "replacing",
		"draining", "killed", "ended", "gone"}[p]
}

// event is what moves a worker on. Each has a method of the worker, and nothing else
// changes its phase.
type event uint8

const (
	eventLoad    event = iota // the application is loaded
	eventReject               // a process that was forked from the stem cannot begin
	eventPass                 // the first health check is answered well, or there is none
	eventAdmit                // its rollout, if it is of one, is complete
	eventOutdate              // it has grown too large, too old, or fails its checks
	eventRetire               // it is no longer wanted
	eventKill                 // it is given up
	eventExit                 // its process has ended
	eventDrop                 // nothing of it is left to be done
	events
)

func (e event) String() string {
	return [events]string{"load", "reject", "pass", "admit", "outdate", "retire", "kill", "exit", "drop"}[e]
}

// moves says which phase follows when an event comes. Where none is given the worker
// stays where it is: it may send what it likes, and what was decided may be overtaken
// before it is carried out. ARCHITECTURE.md has the picture, and a test compares the two.
var moves = [phases][events]phase{
	phaseStarting:  {eventLoad: phaseChecking, eventReject: phaseUnsuited, eventRetire: phaseKilled, eventKill: phaseKilled, eventExit: phaseEnded, eventDrop: phaseGone},
	phaseUnsuited:  {eventRetire: phaseKilled, eventKill: phaseKilled, eventExit: phaseEnded, eventDrop: phaseGone},
	phaseChecking:  {eventPass: phaseStandby, eventRetire: phaseKilled, eventKill: phaseKilled, eventExit: phaseEnded, eventDrop: phaseGone},
	phaseStandby:   {eventAdmit: phaseServing, eventRetire: phaseDraining, eventKill: phaseKilled, eventExit: phaseEnded, eventDrop: phaseGone},
	phaseServing:   {eventOutdate: phaseReplacing, eventRetire: phaseDraining, eventKill: phaseKilled, eventExit: phaseEnded, eventDrop: phaseGone},
	phaseReplacing: {eventRetire: phaseDraining, eventKill: phaseKilled, eventExit: phaseEnded, eventDrop: phaseGone},
	phaseDraining:  {eventKill: phaseKilled, eventExit: phaseEnded, eventDrop: phaseGone},
	phaseKilled:    {eventExit: phaseEnded, eventDrop: phaseGone},
	phaseEnded:     {eventDrop: phaseGone},
}

// possible tells whether an event can come in a phase at all; if not, whoever told of
// it is wrong.
func possible(p phase, e event) bool {
	switch e {
	case eventPass:
		return p >= phaseChecking
	case eventAdmit:
		return p == phaseStandby
	case eventOutdate:
		return p >= phaseServing
	case eventExit, eventDrop:
		return p != phaseGone
	default:
		return true
	}
}

// lifecycle is the phase of a worker, and what its end will mean.
type lifecycle struct {
	now phase
	// was is the last phase before the worker was killed or ended: one that was
	// starting has failed to start, one that was serving has died, and one that was
	// draining, or that nobody wants any more since, has only done as it was told.
	was phase
}

// on takes a possible event in. It tells whether that moved the worker on.
func (l *lifecycle) on(e event) (moved bool) {
	if next := moves[l.now][e]; next != phaseStarting {
		l.now, moved = next, true
	}
	switch {
	case e == eventRetire:
		l.was = phaseDraining
	case l.now < phaseKilled:
		l.was = l.now
	}
	return moved
}

// ready tells whether it could serve, or did until it was killed or ended.
func (l lifecycle) ready() bool { return l.was >= phaseStandby }

// serves tells whether the pool may give it requests.
func (l lifecycle) serves() bool { return l.now == phaseServing || l.now == phaseReplacing }

// active tells whether it serves, or is on its way to.
func (l lifecycle) active() bool { return l.now < phaseDraining }

// over tells whether its process has ended.
func (l lifecycle) over() bool { return l.now >= phaseEnded }

// wanted tells whether nobody has asked it to leave.
func (l lifecycle) wanted() bool { return l.was != phaseDraining }
