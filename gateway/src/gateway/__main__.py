"""`python -m gateway`."""

from typing import Any

from cme_kit.app import serve
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from gateway.app import build
from gateway.edge.wire import StrictHttp
from gateway.settings import Settings

if __name__ == "__main__":
    settings = Settings.load()
    app: Any = build(settings)
    if settings.trusted_proxies:
        app = ProxyHeadersMiddleware(app, settings.trusted_proxies)
    serve(app, settings, behind_gateway=False, protocol=StrictHttp)
