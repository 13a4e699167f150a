"""The interface of application loaders (wsgid 0.7)."""

from plugnplay import Interface


class IAppLoader(Interface):
    """Finds and imports an application. The loader that is asked first is the
    one whose file name sorts first."""

    def can_load(self, app_path):
        """Tells whether load_app is worth a try; app_path is the app/ folder."""

    def load_app(self, app_path, app_full_name):
        """Returns the WSGI callable; app_full_name is the option wsgi_app,
        None where it is not set."""
