"""Loopback services that supply keys: STS, a container, the instance metadata; and a Glacier that accepts all."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

STS_RESPONSE = """<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result><Credentials>
<AccessKeyId>{id}</AccessKeyId><SecretAccessKey>secret-{id}</SecretAccessKey><SessionToken>token-{id}</SessionToken>
<Expiration>2035-01-01T00:00:00Z</Expiration></Credentials></{action}Result></{action}Response>"""
METADATA = "/latest/meta-data/iam/security-credentials/"


def signer(headers):
    """Returns access key ID and region of a signature."""
    found = re.search(r"Credential=([^/]+)/\d+/([^/]+)/", headers.get("Authorization", ""))
    return found.groups() if found else (None, None)


class Services:
    """The services. `last_glacier_request` has the headers of the last request to Glacier."""

    def __init__(self):
        services = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def respond(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, text = services.respond(self.path, body.decode(), self.headers)
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.send_header("x-amzn-RequestId", "1")
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_PUT = do_POST = respond

            def log_message(self, *_):
                pass

        self.has_instance_role = True
        self.last_glacier_request = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def respond(self, path, body, headers):
        if path == "/":
            form = {name: values[0] for name, values in parse_qs(body).items()}
            action, role = form["Action"], form["RoleArn"].rsplit("/", 1)[1]
            # The keys name the role and the keys that assumed it.
            key_id = f"ROLE-{role}-{signer(headers)[0] or form.get('WebIdentityToken')}"
            return 200, STS_RESPONSE.format(action=action, id=key_id)
        if path == "/container":
            return 200, metadata("CONTAINER")
        if path == "/latest/api/token":
            return 200, "instance-token"
        if path == METADATA:
            return (200, "role") if self.has_instance_role else (404, "")
        if path == f"{METADATA}role":
            return 200, metadata("INSTANCE")
        self.last_glacier_request = headers
        return 200, json.dumps({"Marker": None, "UploadsList": []})


def metadata(key_id):
    keys = {"AccessKeyId": key_id, "SecretAccessKey": f"secret-{key_id}", "Token": f"token-{key_id}"}
    return json.dumps({"Code": "Success", "Expiration": "2035-01-01T00:00:00Z", **keys})
