// Package gunicorn reads command lines and files of gunicorn. Its files are Python, so a
// child evaluates them: with little time, as the owner of the file, and without the
// application.
package gunicorn
