"""Reaching a server tells apart what an administrator has to do."""

import asyncio
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from batch_issuer.gateway import Reach, Reached, reach
from tests.certificates import Authority, make_authority
from tests.gateway.servers import raw_server

SELF_SIGNED = Path(__file__).parent / "self_signed.pem"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


async def say_nothing(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    pass


async def reach_tls(tls: ssl.SSLContext | None, trusted: ssl.SSLContext) -> Reach:
    async with raw_server(say_nothing, tls=tls) as server:
        met = await reach(server.url.replace("http:", "https:"), seconds=5, trusted=trusted)
    assert server.heads == []
    return met


async def test_a_server_is_reached_and_nothing_is_asked_of_it(authority: Authority) -> None:
    met = await reach_tls(authority.serving(days=90), authority.trusted())
    assert met.reached is Reached.SERVER
    assert met.certificate_ends is not None
    left = met.certificate_ends - datetime.now(UTC)
    assert timedelta(days=89) < left <= timedelta(days=90)


async def test_a_server_without_tls_is_reached_where_none_is_asked_for() -> None:
    async with raw_server(say_nothing) as server:
        met = await reach(server.url, seconds=5)
    assert met == Reach(reached=Reached.SERVER)


async def test_an_expired_certificate_is_told(authority: Authority) -> None:
    met = await reach_tls(authority.serving(days=-1), authority.trusted())
    assert met.reached is Reached.EXPIRED


async def test_the_certificate_of_another_host_is_told(authority: Authority) -> None:
    met = await reach_tls(authority.serving(address="127.0.0.2"), authority.trusted())
    assert met.reached is Reached.OTHER_HOST


async def test_a_self_signed_certificate_is_told() -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(SELF_SIGNED)
    met = await reach_tls(tls, ssl.create_default_context())
    assert met.reached is Reached.SELF_SIGNED


async def test_a_certificate_of_an_authority_that_nobody_knows_is_told(authority: Authority) -> None:
    met = await reach_tls(authority.serving(), ssl.create_default_context())
    assert met.reached is Reached.UNKNOWN_ISSUER


async def test_a_server_that_speaks_no_tls_is_told(authority: Authority) -> None:
    async def speak_http(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    listener = await asyncio.start_server(speak_http, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        met = await reach(f"https://127.0.0.1:{port}", seconds=5, trusted=authority.trusted())
    assert met.reached is Reached.NO_TLS


async def test_a_port_where_nobody_listens_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    met = await reach(f"http://127.0.0.1:{port}", seconds=5)
    assert met.reached is Reached.NO_CONNECTION
    assert met.reason


async def test_a_server_that_accepts_and_says_nothing_is_given_up_in_time(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        met = await reach(url, seconds=0.2, trusted=authority.trusted())
    assert met == Reach(reached=Reached.NO_CONNECTION, reason="no answer within 0.2 s")


async def test_a_name_that_does_not_exist_is_told() -> None:
    met = await reach("https://api.example.invalid", seconds=5)
    assert met.reached is Reached.NO_NAME
