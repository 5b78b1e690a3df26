"""What Guke fetches for somebody never leads into the company's own network, unless an administrator opened that host."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from appliance.core import outbound, settings
from tests.support.http import Client


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))  # type: ignore[attr-defined]
        if self.path.startswith("/to?"):
            self.send_response(302)
            self.send_header("Location", self.path[4:])
            self.end_headers()
        elif self.path == "/slow":
            self.send_response(200)
            self.end_headers()
            for _second in range(100):
                time.sleep(0.05)
                try:
                    self.wfile.write(b"x")
                    self.wfile.flush()
                except OSError:
                    return
        else:
            body = b"y" * 100_000 if self.path == "/big" else b'{"ok": true}'
            self.send_response(404 if self.path == "/gone" else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                return

    do_POST = do_GET

    def log_message(self, *args: Any) -> None:
        return


@pytest.fixture
def web() -> Iterator[Any]:
    """A server of the own network."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def open_loopback(app: Any) -> None:
    settings.set("security.allowed_hosts", "127.0.0.1")


def url(web: Any, path: str = "/") -> str:
    return f"http://127.0.0.1:{web.server_port}{path}"


def test_loopback_is_refused_and_nothing_is_sent(app: Any, web: Any) -> None:
    with app.test_request_context(), pytest.raises(outbound.Refused, match="允许访问的内网主机"):
        outbound.fetch(url(web))
    assert web.asked == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "localhost", "LOCALHOST.", "0.0.0.0", "0",
        "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
        "10.0.0.5", "172.16.3.4", "192.168.1.1", "[fd00::1]", "[fe80::1]", "169.254.169.254", "[::ffff:a9fe:a9fe]",
        "100.100.100.200", "168.63.129.16", "224.0.0.1", "[ff02::1]", "255.255.255.255", "198.18.0.1", "240.0.0.1",
        "①②⑦.⓪.⓪.①",
    ],
)  # fmt: skip
def test_no_spelling_of_an_inner_address_gets_through(app: Any, host: str) -> None:
    with app.test_request_context(), pytest.raises((outbound.Refused, outbound.Failed)) as refused:
        outbound.fetch(f"http://{host}:9/", timeout=2)
    if isinstance(refused.value, outbound.Failed):
        assert "找不到主机" in refused.value.message, "it was not even connected to"


@pytest.mark.parametrize(
    "bad",
    [
        "file:///etc/passwd", "gopher://127.0.0.1/", "ftp://example.com/", "javascript:alert(1)", "//example.com/", "example.com",
        "http://user:pass@example.com/", "http://", "http://example.com:99999/", "http://exa mple.com/", "http://a\\b/",
        "http://example.com/\r\nHost: x", "http://[fe80::1%25lo]/", "http://example.com:0/", "dict://127.0.0.1:11211/",
    ],
)  # fmt: skip
def test_only_plain_http_urls_are_spoken(app: Any, bad: str) -> None:
    with app.test_request_context(), pytest.raises(outbound.Refused):
        outbound.fetch(bad)


@pytest.mark.parametrize("public", ["1.1.1.1", "8.8.8.8", "114.114.114.114", "2400:3200::1", "::ffff:8.8.8.8"])
def test_the_internet_is_open(public: str) -> None:
    import ipaddress

    assert outbound.is_public(ipaddress.ip_address(public))


def test_an_allowed_host_is_fetched(app: Any, web: Any, open_loopback: None) -> None:
    with app.test_request_context():
        answer = outbound.fetch(url(web, "/x?y=1"))
        assert (answer.status, answer.json()) == (200, {"ok": True})
        assert outbound.fetch(url(web, "/gone")).status == 404
        assert outbound.fetch(url(web), method="POST", body=b"{}").status == 200
    assert web.asked[0][0] == "/x?y=1" and web.asked[0][1]["Host"] == f"127.0.0.1:{web.server_port}"


def test_a_network_and_a_name_can_be_allowed(app: Any, web: Any) -> None:
    with app.test_request_context():
        settings.set("security.allowed_hosts", "erp.local, 127.0.0.0/8")
        assert outbound.fetch(url(web)).status == 200
        settings.set("security.allowed_hosts", "localhost")
        assert outbound.fetch(f"http://localhost:{web.server_port}/").status == 200
        with pytest.raises(outbound.Refused):
            outbound.fetch(url(web))


def test_a_redirect_to_an_inner_address_is_refused(app: Any, web: Any) -> None:
    with app.test_request_context():
        settings.set("security.allowed_hosts", "localhost")
        for target in (url(web, "/secret"), "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd"):
            with pytest.raises(outbound.Refused):
                outbound.fetch(f"http://localhost:{web.server_port}/to?{target}")
    assert all(path.startswith("/to?") for path, _headers in web.asked)


def test_redirects_end_and_secrets_stay_with_the_first_host(app: Any, web: Any) -> None:
    with app.test_request_context():
        settings.set("security.allowed_hosts", "localhost, 127.0.0.1")
        outbound.fetch(
            f"http://localhost:{web.server_port}/to?{url(web, '/next')}", headers={"Authorization": "Bearer s"}
        )
        assert "Authorization" in web.asked[0][1] and "Authorization" not in web.asked[1][1]
        with pytest.raises(outbound.Failed, match="重定向"):
            outbound.fetch(url(web, "/to?/to?/to?/to?/to?/x"))


def test_the_name_is_resolved_once_so_that_it_cannot_change_its_mind(
    app: Any, web: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the first answer is a public address, the next one loopback."""
    asked: list[str] = []
    tried: list[str] = []

    def resolve(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        asked.append(host)
        address = "93.184.215.14" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    def connect(address: tuple[str, int], *args: Any, **kwargs: Any) -> Any:
        tried.append(address[0])
        raise OSError("no route")

    monkeypatch.setattr(outbound.socket, "getaddrinfo", resolve)
    monkeypatch.setattr(outbound.socket, "create_connection", connect)
    with app.test_request_context(), pytest.raises(outbound.Failed):
        outbound.fetch(f"http://rebind.example:{web.server_port}/")
    assert asked == ["rebind.example"] and tried == ["93.184.215.14"] and web.asked == []


def test_one_inner_address_among_public_ones_is_refused(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        return [(socket.AF_INET, 1, 6, "", (address, port)) for address in ("93.184.215.14", "10.0.0.1")]

    monkeypatch.setattr(outbound.socket, "getaddrinfo", resolve)
    with app.test_request_context(), pytest.raises(outbound.Refused):
        outbound.fetch("http://mixed.example/")


def test_an_answer_too_big_or_too_slow_is_cut(app: Any, web: Any, open_loopback: None) -> None:
    with app.test_request_context():
        with pytest.raises(outbound.Failed, match="超过"):
            outbound.fetch(url(web, "/big"), limit=50_000)
        began = time.monotonic()
        with pytest.raises(outbound.Failed, match="及时") as late:
            outbound.fetch(url(web, "/slow"), timeout=0.5)
        assert time.monotonic() - began < 3 and late.value.uncertain


def test_a_refused_connection_is_certain_not_to_have_arrived(app: Any, open_loopback: None) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with app.test_request_context(), pytest.raises(outbound.Failed) as failed:
            outbound.fetch(f"http://127.0.0.1:{unused.getsockname()[1]}/")
    assert not failed.value.uncertain


def test_the_proxy_of_the_environment_is_not_asked(
    app: Any, web: Any, open_loopback: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with app.test_request_context():
        assert outbound.fetch(url(web)).status == 200


def test_an_administrator_opens_a_host_and_the_log_says_so(client: Client, staff_client: Client, web: Any) -> None:
    page = "/settings/outbound/"
    assert client.get(page).status_code == 200
    assert staff_client.get(page).status_code == 403
    wrong = client.post(page, data={"security.allowed_hosts": "not a host!"})
    assert wrong.status_code == 422 and "不是主机名" in wrong.text
    assert client.post(f"{page}check", data={"url": url(web)}).status_code == 422
    assert client.post(page, data={"security.allowed_hosts": "127.0.0.1， erp.local"}).status_code == 303
    assert client.post(f"{page}check", data={"url": url(web)}).status_code == 303
    assert web.asked == [], "a check sends nothing"
    assert (
        "security.allowed_hosts" in client.get("/settings/log").text
        or "允许访问的内网主机" in client.get("/settings/log").text
    )
