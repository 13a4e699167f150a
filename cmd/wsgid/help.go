package main

const helpText = `NAME
    wsgid - run a WSGI application as a daemon, behind mongrel2 or on HTTP

SYNOPSIS
    wsgid [COMMAND] [OPTION]...

    wsgid init   --app-path=DIR
    wsgid config --app-path=DIR --recv=ENDPOINT --send=ENDPOINT [OPTION]...
    wsgid        --app-path=DIR [OPTION]...
    wsgid stop | restart | status --app-path=DIR

DESCRIPTION
    wsgid serves the application of one app folder with a master process and a
    number of workers. It finds out by itself how to load a Django or a pyroutes
    project; of any other application it is told the name (--wsgi-app).

    The same folder works under wsgid-fleet, which keeps many of them running
    from a directory of specs.

COMMANDS
    start      Start the app. This is what is done when no command is named. It
               returns when the first workers serve, and says why if they do not.
               Each start adds one instance: several may run on one folder.
    init       Make the app folder and the folders in it. What exists is left
               alone.
    config     Write the options given into wsgid.json, and leave the others as
               they are. An option without a value (--wsgi-app=) is taken out.
    stop       Stop every instance on the folder: requests that were begun are
               finished first.
    restart    Replace the workers of every instance. New ones serve before the
               old ones leave, so that no request is lost; if the new ones cannot
               start, the old ones stay.
    status     Print what runs on the folder.

OPTIONS
    --app-path=DIR
               The app folder. Default: the working directory.
    --wsgi-app=NAME
               The application: package.module.attribute, package.module:attribute,
               or package.module:factory(). No loader is asked then.
    --loader-dir=DIR
               A folder with more loaders. May be repeated; searched in order.
               With --chroot it is relative to the app folder.
    --recv=ENDPOINT
               Where requests come from: the send_spec of the mongrel2 handler,
               such as tcp://127.0.0.1:9997. Transports: inproc, ipc, tcp, pgm,
               epgm.
    --send=ENDPOINT
               Where responses go to: the recv_spec of the same handler.
    --workers=N
               The number of workers. Default: 1.
    --keep-alive, --no-keep-alive
               Replace a worker that dies. Default: yes. Without, the master ends
               with its last worker.
    --chroot, --no-chroot
               Show the app nothing but its folder. Needs root. Default: no.
    --mongrel2-chroot=DIR
               Where the mongrel2 server is chrooted, for its asynchronous uploads.
    --django   Load as a Django project even where none is recognised.
    --no-daemon
               Stay in the foreground, and log to standard error.
    --stdout   With --no-daemon: log to standard output.
    --debug, --no-debug
               Log more. Default: no.
    --send-signal=SIGNAL
               stop: the signal for the masters. Default: TERM.
               restart: send this signal to each worker instead of replacing it.
               A name (TERM, SIGTERM) or a number.
    --state-dir=DIR
               Where what runs is noted. Default: /run/wsgid for root, and
               $XDG_RUNTIME_DIR/wsgid for others.
    -h, --help
               Print this text.
    -v, --version
               Print the version.

THE APP FOLDER
    app/          the application's code; it is on sys.path
    plugins/      loaders and request filters, *.py
    logs/         wsgid.log
    pid/master/   PID.pid of each master
    pid/worker/   PID.pid of each worker
    wsgid.json    options (below)
    django.json   settings that are merged into the Django project's own

    As root, wsgid runs the workers as the owner of the app folder.

WSGID.JSON
    The options of the command line with _ for - and without the leading --:
    recv, send, workers, wsgi_app, debug, keep_alive, chroot, no_daemon, stdout,
    mongrel2_chroot, loader_dir, django; and envs, an object of environment
    variables that are set before the application is loaded.

        {
          "recv": "tcp://127.0.0.1:9997",
          "send": "tcp://127.0.0.1:9996",
          "workers": 4,
          "envs": {"TZ": "UTC"}
        }

    What stands in the file wins over the command line.

    The key fleet holds what wsgid has no option for, as wsgid-fleet writes it.
    With it an app can be served on HTTP without mongrel2:

        {"fleet": {"sockets": {"http": [{"listen": "127.0.0.1:8000"}]}}}

SIGNALS
    A master takes TERM and INT (finish what was begun, then end), HUP (replace
    the workers, new ones first), TTIN and TTOU (one worker more, one less). In
    the foreground wsgid passes them on.

EXIT STATUS
    0     Done; for status: the app runs. In the foreground: the master's own.
    1     It could not be done; the reason is on standard error.
    3     status: nothing runs on the folder.
    64    The command line is wrong.

EXAMPLES
    Make a folder for a Django project, and serve it behind mongrel2:

        wsgid init --app-path=/var/wsgid/blog
        cp -a blog/ /var/wsgid/blog/app/
        wsgid config --app-path=/var/wsgid/blog \
            --recv=tcp://127.0.0.1:9997 --send=tcp://127.0.0.1:9996 --workers=2
        wsgid --app-path=/var/wsgid/blog

    Look at the log of an app that does not start:

        wsgid --app-path=/var/wsgid/blog --no-daemon --debug
`
