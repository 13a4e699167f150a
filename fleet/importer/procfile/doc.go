// Package procfile reads a Procfile and the .env beside it as foreman does.
package procfile
