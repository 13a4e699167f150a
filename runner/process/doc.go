// Package process is what runs beside the workers of an app: the programs of its
// process blocks, kept alive by the master.
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
// All of it belongs to the loop of the master.
package process
