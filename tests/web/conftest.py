"""One browser for all tests of pages, and the pages' own market."""

import pytest

from tests.web import chromium
from tests.web.memorystore import busy_market
from tests.web.webserver import application, serving


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    if chromium.find() is None:
        pytest.skip(f"Chromium is not installed here (looked for {', '.join(chromium.NAMES)})")
    rules = "MAP stall.test 127.0.0.1"
    with chromium.Chromium.start(
        tmp_path_factory.mktemp("chromium"), f"--host-resolver-rules={rules}"
    ) as started:
        yield started


@pytest.fixture(scope="session")
def market():
    return busy_market()


@pytest.fixture(scope="session")
def port(market):
    with serving(application(market[0])) as number:
        yield number
