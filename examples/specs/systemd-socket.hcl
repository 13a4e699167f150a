# An app whose socket systemd opens, even a privileged port, and keeps open
# while the daemon restarts. In news.socket:
#
#     [Socket]
#     ListenStream=80
#     FileDescriptorName=news
#     Service=wsgid-fleet.service
#
#     [Install]
#     WantedBy=sockets.target
app "news" {
  wsgi_app = "news.wsgi:application"

  sockets {
    http {
      listen = "systemd:news" # the FileDescriptorName
    }
  }

  log {
    target = "journal" # journalctl WSGID_APP=news
  }
}
