// Package plan decides what is to be done for an app. It is pure: what is true comes in
// as Observed, what should be as Want, and MakePlan compares the two. Nothing here asks
// a master, reads a file or looks at the clock, so that every decision is a row of a
// table in the tests, and what plan prints is what apply does.
//
// WantOf makes a Want of the spec directory and of what is remembered of the app: broken
// keeps, missing removes. The types of a plan are what plan -o json writes.
package plan
