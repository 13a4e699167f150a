// Package await waits in tests for what must happen, on however busy a machine: never for a
// time, always with a limit, and where that is over it says what was waited for and what was
// seen last.
package await
