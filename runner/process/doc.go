// Package process is what runs beside the workers of an app: the programs of its
// process blocks, kept alive by the master, and those of its schedule blocks, run at
// their times.
//
// A Set follows the spec that the workers run. What a change does not touch runs on;
// what it touches is stopped before it is started anew, so that nothing runs twice.
// That holds between two masters of one app as well: who has the Lock runs them, and
// lets go of it when the last of them has ended.
//
// A program is told to stop by one signal, to the process that was started alone: a
// second one, or one to its whole group, has many of them drop what they are at. What
// is left when its time is over is killed by descent (see kin), whatever session and
// group it has put itself into.
//
// Schedules go by decide, which is told up to when all times were decided upon, and
// what the clock shows. What it decides is on disk before it is done, so that no time
// is run twice whoever dies; it is written beside the loop, which a slow disk must not
// hold. One master decides, that of the lock. A run holds a lock of its own, by which
// the next master sees that it is under way, and in whose file it finds how it ended;
// nothing there, and the lock free: whoever ran it was killed. The one timer is of the
// machine's clock (see alarm), so that suspending and setting it are noticed.
//
// All of it belongs to the loop of the master.
package process
