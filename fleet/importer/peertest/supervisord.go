package peertest

// Supervisord is a configuration that supervisord itself and the import read.
const Supervisord = `[supervisord]
environment=ALL="%%%%x",LANG=C
directory=%(here)s

[include]
files = conf.d/*.conf

[program:web]
command=/usr/bin/gunicorn -w %(numprocs)s3 --bind 127.0.0.1:8%(process_num)02d0 blog:app ; a comment
directory=/srv/blog
user=daemon
environment=A="a b",B='c%%d',C=/x/y.z-1,D=plain$
stopwaitsecs=7
umask=027

[program:mail]
command=celery -A blog worker --loglevel=info
directory=/srv/blog

[group:site]
programs=web,mail
`
