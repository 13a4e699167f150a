// Package piku reads what piku runs (HEAD of 2026-07): apps of a ~/.piku folder, each with its
// Procfile, the ENV of its checkout and what config:set and ps:scale have written beside its
// virtualenv.
package piku
