"""A small HTTP server on loopback for data_fetch_test.lua and data_archive_test.lua: python3 http_server.py FOLDER. Prints its port.

/ok/F.gz       the file FOLDER/F, gzipped; answers Range        /whole/F.gz   the same, whole files only
/wrong/F.gz    other bytes, gzipped                             /cut/F.gz     promises all, sends half, hangs up
/short/F.gz    half of it as if that were all                   /moved/F.gz   redirects to /ok/F.gz
/plain/F, /plainwrong/F, /plaincut/F: the file FOLDER/F itself
/quit          ends the server; so do two minutes               anything else: 404
"""
import gzip
import http.server
import os
import sys
import threading

folder = sys.argv[1]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        parts = self.path.strip("/").split("/")
        if parts == ["quit"]:
            self.send_response(200)
            self.end_headers()
            os._exit(0)
        plain, kind = parts[0].startswith("plain"), parts[0]
        if plain:
            kind = kind[5:] or "ok"
        name = os.path.join(folder, parts[-1] if plain else parts[-1][:-3])
        if len(parts) != 2 or kind not in ("ok", "whole", "wrong", "cut", "short", "moved") or not os.path.exists(name):
            self.send_error(404)
            return
        if kind == "moved":
            self.send_response(302)
            self.send_header("Location", "/ok/" + parts[1])
            self.end_headers()
            return
        with open(name, "rb") as file:
            content = file.read()
        body = b"other bytes" + content if kind == "wrong" else content
        if not plain:
            body = gzip.compress(body, mtime=0)
        if kind == "short":
            body = body[: len(body) // 2]
        start = 0
        wanted = self.headers.get("Range")
        if wanted and kind != "whole":
            start = int(wanted.split("=")[1].split("-")[0])
            if start >= len(body):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", "bytes %d-%d/%d" % (start, len(body) - 1, len(body)))
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        self.wfile.write(body[start : len(body) // 2] if kind == "cut" else body[start:])
        with open(os.path.join(folder, "requests"), "a") as log:
            log.write("%s %d\n" % (self.path, start))

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
timer = threading.Timer(120, os._exit, (1,))
timer.daemon = True
timer.start()
print(server.server_address[1], flush=True)
server.serve_forever()
