// Package checkout looks at the checkout of a Python project and says which spec
// runs it. It reads names and text; it imports and runs nothing of what it finds.
//
// # Who knows the application
//
// What the project says itself comes before what is guessed, and of that the first
// kind that says anything decides:
//
//  1. the line web of a Procfile, or FLASK_APP in .flaskenv
//  2. manage.py of Django, with the wsgi.py of its project
//  3. application or app in a wsgi.py
//  4. an object that a framework makes, in another module
//  5. a function that makes one: create_app and the like
//
// Where a kind has two answers the operator has to choose: nothing is guessed.
//
// Files are read below an os.Root: a link that leaves the checkout leads nowhere.
package checkout
