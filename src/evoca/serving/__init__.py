"""The model over HTTP (extra ``serve``), and as a page in a browser.

:func:`create_app` returns the application for any ASGI server; :func:`serve` runs it as
``evoca serve`` does, with time limits on connections and a graceful end.
:func:`evoca.serving.static_page.write_static_page` needs no extra.
"""

from evoca.lazy import lazy_names
from evoca.serving.settings import ServeSettings

__all__ = ["ServeSettings", "create_app", "serve"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {"create_app": "evoca.serving.app", "serve": "evoca.serving.server"},
    __all__,
)
