"""As much of LitServe as bench/peers/with_litserve.py uses: requests one after the other, JSON at /predict."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any


class LitAPI:
    """What an adapter fills in."""

    def setup(self, device: str) -> None:
        raise NotImplementedError


class LitServer:
    """Serves an API."""

    def __init__(self, api: Any, *, accelerator: str, workers_per_device: int) -> None:
        assert workers_per_device == 1
        self._api = api
        self._accelerator = accelerator

    def run(self, *, host: str, port: int, num_api_servers: int, generate_client_file: bool, log_level: str) -> None:
        assert num_api_servers == 1
        api = self._api
        api.setup(self._accelerator)

        class Answers(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                content = json.dumps(api.encode_response(api.predict(api.decode_request(asked)))).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        HTTPServer((host, port), Answers).serve_forever()
