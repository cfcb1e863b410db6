"""A catalogue whose server speaks TLS: its certificate is looked at, and nothing goes in the clear."""

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from sqlalchemy import text

from scripts.stack.parts import PARTS
from soutu.adapters.catalog import SqlCatalog
from soutu.domain.errors import Reason, SoutuError
from tests.contract.catalog_fixtures import DRAFT, MovableClock
from tests.contract.servers import server

pytestmark = pytest.mark.slow
CIPHER = text(
    "SELECT variable_value FROM information_schema.session_status WHERE variable_name = 'Ssl_cipher'"
)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def url(tmp_path: Path, authority: trustme.CA) -> Iterator[str]:
    """Where a MariaDB takes connections with TLS only."""
    place = tmp_path / "mariadb"
    with server("mariadb", place):  # installed where it is missing, or the test is skipped
        pass
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(place / "server.pem"))
    started = PARTS["mariadb"](place)
    tls = [f"--ssl-cert={place}/server.pem", f"--ssl-key={place}/server.pem", "--require-secure-transport=ON"]
    with subprocess.Popen([*started.command, *tls], cwd=place, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(started.answers)
            yield started.settings["SOUTU_CATALOG_URL"]
        finally:
            process.terminate()
            process.wait()


def _wait_for(answers: Callable[[], object]) -> None:
    for _ in range(300):
        try:
            answers()
            return
        except subprocess.CalledProcessError:
            time.sleep(0.1)
    raise AssertionError("MariaDB does not answer")


async def test_who_trusts_the_server_is_served(url: str, authority: trustme.CA, tmp_path: Path) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    catalog = await SqlCatalog.open(f"{url}?ssl_ca={tmp_path}/ca.pem", MovableClock())
    assert (await catalog.create_collection(DRAFT)).id == DRAFT.id
    ((cipher,),) = await catalog._database.rows(CIPHER)
    await catalog.close()
    assert cipher


async def test_a_certificate_of_strangers_and_a_connection_in_the_clear_are_refused(
    url: str, tmp_path: Path
) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    for options in (f"?ssl_ca={tmp_path}/other.pem", ""):
        with pytest.raises(SoutuError) as refused:
            await SqlCatalog.open(f"{url}{options}", MovableClock())
        assert refused.value.reason is Reason.CATALOG_UNAVAILABLE
