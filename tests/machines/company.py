"""A company's way outside, on one machine: a registry that wants a login and shows a certificate of the company's own
authority, and a proxy through which alone it is reached. Folder and port of the registry, its login, port of the proxy."""

import base64
import http.server
import socket
import ssl
import sys
import threading

FOLDER, PORT, LOGIN, PROXY = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
WANTED = "Basic " + base64.b64encode(LOGIN.encode()).decode()


class Registry(http.server.SimpleHTTPRequestHandler):
    extensions_map = {".json": "application/vnd.docker.distribution.manifest.v2+json", "": "application/octet-stream"}

    def __init__(self, *arguments):
        super().__init__(*arguments, directory=FOLDER)

    def do_HEAD(self):
        if self.admits():
            super().do_HEAD()

    def do_GET(self):
        if self.admits():
            super().do_GET()

    def log_message(self, *_):
        """The log is the proxy's."""

    def admits(self):
        if self.headers.get("Authorization") == WANTED:
            return True
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="company"')
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False


def carry(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        # One of them is gone.
        pass


def lead(client):
    """Leads whoever asks to this machine, whatever name he says, and writes the name down."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += client.recv(65536) or b"\r\n\r\n"
    words = head.decode(errors="replace").split()
    if len(words) < 2 or words[0] != "CONNECT":
        client.close()
        return
    print(words[1], flush=True)
    server = socket.create_connection(("127.0.0.1", int(words[1].rsplit(":", 1)[1])))
    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    threading.Thread(target=carry, args=(server, client), daemon=True).start()
    carry(client, server)


def proxy():
    with socket.create_server(("", PROXY)) as door:
        while True:
            threading.Thread(target=lead, args=(door.accept()[0],), daemon=True).start()


threading.Thread(target=proxy, daemon=True).start()
registry = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Registry)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("server.crt", "server.key")
registry.socket = context.wrap_socket(registry.socket, server_side=True)
registry.serve_forever()
