"""A blog on this computer whose pages and headers a test chooses."""

import http.server
import ssl
import threading
from contextlib import contextmanager

from tests.certificates import make_certificate


class Blog:
    """The pages of a blog by path: status, headers, HTML."""

    def __init__(self):
        self.pages, self.url = {}, ""
        self.credentials = []  # that requests had

    def show(self, html, path="/post/", status=200, **headers):
        """Let a path show HTML; underscores in names of headers are hyphens."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        self.pages[path] = status, {"Content-Type": "text/html; charset=utf-8"} | given, html
        return f"{self.url}{path}"

    def show_widget(self, service, more="", path="/post/", **headers):
        """Let a path show a page with the widget of a service."""
        tag = f"<script async src={service}/embed.js></script>"
        html = f"<!doctype html><html><head><title>A</title>{more}</head><body>{tag}"
        return self.show(html, path, **headers)


@contextmanager
def blog(folder=None):
    """Serve a blog; with a folder by https, with a certificate that ``folder / 'certificate'`` verifies."""
    found = Blog()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            found.credentials += self.headers.get_all("Authorization") or []
            status, headers, html = found.pages.get(self.path, (404, {}, "nothing"))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_arguments):
            """Print nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    scheme = "http"
    if folder:
        scheme = "https"
        make_certificate(folder / "certificate", folder / "key", authority=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "certificate", folder / "key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    found.url = f"{scheme}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
