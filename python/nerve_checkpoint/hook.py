"""The hook server: two calls over HTTP, served from threads of the training process (docs/checkpoint-contract.md)."""

from __future__ import annotations

import hmac
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Dict, List, Optional, Tuple, Type, cast

from .desk import FINAL_REASONS, OTHER_REASONS, Desk, Refusal
from .errors import say
from .settings import parse_instant

MAX_BODY_BYTES = 1 << 16
# Strangers may connect: they must not use up the training's file descriptors, nor keep out who has the token.
MAX_CONNECTIONS = 32
READ_SECONDS = 10.0  # for a whole request
_ROOM_SECONDS = 0.5
_BIND_AGAIN_SECONDS = 0.5


class HookServer:
    """Binds in its own thread and tries again while the port is taken: a predecessor of the same container may still be ending."""

    def __init__(self, host: str, port: int, token: str, desk: Desk) -> None:
        self._address = (host, port)
        self._desk = desk
        self._token = token
        self._open = threading.Event()
        self._closed = threading.Event()
        self._server: Optional[ThreadingHTTPServer] = None
        self._lock = threading.Lock()
        self._active = 0
        threading.Thread(target=self._serve, name="nerve-hook", daemon=True).start()
        self._open.wait(2.0)

    def drain(self, seconds: float) -> None:
        """Gives answers that are under way a moment to leave."""
        end = time.monotonic() + seconds
        while self._active > 0 and time.monotonic() < end:
            time.sleep(0.01)

    def close(self) -> None:
        self._closed.set()
        if self._server is not None:
            self._server.shutdown()

    def count(self, change: int) -> None:
        with self._lock:
            self._active += change

    def _serve(self) -> None:
        warned = False
        while not self._closed.is_set():
            try:
                server = _Server(self._address, _handler(self, self._desk, self._token))
            except OSError as error:
                if not warned:
                    say(f"the checkpoint hook cannot listen on {self._address[0]}:{self._address[1]} ({error.strerror}); trying again, SIGTERM works meanwhile")
                warned = True
                self._closed.wait(_BIND_AGAIN_SECONDS)
                continue
            self._server = server
            self._open.set()
            with server:
                server.serve_forever(poll_interval=0.2)
            return


class _Server(ThreadingHTTPServer):
    """Each connection carries one request. When there are too many, the one that has been at its request for longest goes."""

    daemon_threads = True
    request_queue_size = 128  # with the usual 5 a burst of callers makes others wait a second and more

    def __init__(self, address: Tuple[str, int], handler: Type[BaseHTTPRequestHandler]) -> None:
        self._changed = threading.Condition()
        self._reading: Dict[Any, Optional[float]] = {}  # open sockets, oldest first: since when, or None once the request is read
        super().__init__(address, handler)

    def has_read(self, request: Any) -> None:
        with self._changed:
            self._reading[request] = None

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._changed:
            if len(self._reading) >= MAX_CONNECTIONS:
                self._hang_up([other for other, since in self._reading.items() if since is not None][:1])
                self._changed.wait_for(lambda: len(self._reading) < MAX_CONNECTIONS, _ROOM_SECONDS)
            room = len(self._reading) < MAX_CONNECTIONS
            if room:
                self._reading[request] = time.monotonic()
        if room:
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._changed:
            self._reading.pop(request, None)
            self._changed.notify_all()

    def service_actions(self) -> None:
        """Between two connections, and every so often."""
        late = time.monotonic() - READ_SECONDS
        with self._changed:
            self._hang_up([request for request, since in self._reading.items() if since is not None and since < late])

    def _hang_up(self, requests: List[Any]) -> None:
        """Their threads then read the end of the request, and end."""
        for request in requests:
            try:
                request.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has hung up itself

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hung up is no news for the training's log."""


def _handler(server: HookServer, desk: Desk, token: str) -> Type[BaseHTTPRequestHandler]:
    expected = f"Bearer {token}".encode()

    class Handler(BaseHTTPRequestHandler):
        timeout = READ_SECONDS  # of one read or write
        server_version = "nerve-checkpoint"
        sys_version = ""

        def do_GET(self) -> None:
            self._answer("/v1/progress", lambda: desk.progress())

        def do_POST(self) -> None:
            self._answer("/v1/checkpoint", self._checkpoint)

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def _answer(self, path: str, make: Any) -> None:
            server.count(1)
            try:
                status, body = self._result(path, make)
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                self.wfile.flush()
            finally:
                server.count(-1)

        def _result(self, path: str, make: Any) -> Any:
            try:
                self._raw = self._read_body()
                cast(_Server, self.server).has_read(self.request)
                given = self.headers.get("Authorization", "").encode("utf-8", "replace")
                if not hmac.compare_digest(given, expected):
                    raise Refusal(401, "unauthorized", "refused", "the bearer token is missing or wrong", "Send Authorization: Bearer $NERVE_HOOK_TOKEN of this attempt")
                if self.path.split("?")[0] != path:
                    raise Refusal(404, "not-found", "no such call", f"{self.command} {self.path} is not known", "Use POST /v1/checkpoint or GET /v1/progress")
                return 200, make()
            except Refusal as refusal:
                return refusal.status, refusal.body

        def _checkpoint(self) -> Dict[str, Any]:
            ask = self._body()
            reason, deadline = ask.get("reason"), ask.get("deadline")
            if reason not in FINAL_REASONS + OTHER_REASONS:
                raise _bad(f"reason is {reason!r}", f"Use one of {', '.join(FINAL_REASONS + OTHER_REASONS)}")
            try:
                until = None if deadline is None else parse_instant(str(deadline)).timestamp()
            except ValueError as error:
                raise _bad(f"deadline: {error}", "Send an RFC 3339 instant or null") from error
            return desk.ask(reason, until).as_json()

        def _read_body(self) -> bytes:
            """First of all: a socket closed with unread bytes would lose the answer."""
            length = self.headers.get("Content-Length", "0")
            if not length.isdigit() or int(length) > MAX_BODY_BYTES:
                raise _bad("the body is too long, or its length is no number", f"Send a Content-Length of at most {MAX_BODY_BYTES}")
            return self.rfile.read(int(length))

        def _body(self) -> Dict[str, Any]:
            try:
                body = json.loads(self._raw)
            except (ValueError, RecursionError):
                body = None
            if not isinstance(body, dict):
                raise _bad("the body is no JSON object", 'Send {"reason": "...", "deadline": "..."}')
            return body

    return Handler


def _bad(why: str, next_step: str) -> Refusal:
    return Refusal(400, "bad-request", "cannot read the request", why, next_step)
