"""The flows with their parts elsewhere: each service keeps what it keeps on the servers of the stack."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from redis import Redis
from sqlalchemy import make_url, text

from scripts import triton_repository
from tests.contract.databases import connected
from tests.contract.servers import server
from tests.contract.towers import TWO_TOWERS, write_two_towers
from tests.flows.models import put_second_model

Settings = Mapping[str, str]
_REDIS_DATABASES = 16


class Places:
    """Gives each service, known by its data directory, a place of its own on the servers of the stack: the
    same again when it is started again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._numbers: dict[Path, int] = {}

    def of(self, data_dir: Path) -> Settings:
        """The settings of the service there."""
        fresh = data_dir not in self._numbers
        number = self._numbers.setdefault(data_dir, 1 + len(self._numbers))
        made = {name: _MADE[name](self._settings, number, fresh) for name in _MADE if name in self._settings}
        return {**self._settings, **made, "SOUTU_INDEX_PREFIX": f"soutu_{number}_"}


def _database(settings: Settings, number: int, fresh: bool) -> str:
    url = make_url(settings["SOUTU_CATALOG_URL"])
    name = f"{url.database}_{number}"
    if fresh:
        with connected(url.render_as_string(hide_password=False)) as connection:
            connection.execute(text(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"))
    return url.set(database=name).render_as_string(hide_password=False)


def _redis(settings: Settings, number: int, fresh: bool) -> str:
    url = settings["SOUTU_CACHE_URL"].rpartition("/")[0] + f"/{number % _REDIS_DATABASES}"
    if fresh:
        with Redis.from_url(url) as redis:
            redis.flushdb()
    return url


def _offer_models(repository: Path) -> None:
    """Gives a Triton the models that flows add to a service's own, to be loaded when they are needed."""
    models = repository.with_name("models")
    second = put_second_model(models).removeprefix("models/")
    write_two_towers(models / TWO_TOWERS.name / TWO_TOWERS.version)
    named = [argument for name in (second, str(TWO_TOWERS)) for argument in ("--model", name)]
    triton_repository.main([str(repository), "--models", str(models), *named, "--backend", "python"])


def _prefix(settings: Settings, number: int, fresh: bool) -> str:
    return f"{settings['SOUTU_OBJECTS_URL']}/{number}"


_MADE: Mapping[str, Callable[[Settings, int, bool], str]] = {
    "SOUTU_CATALOG_URL": _database,
    "SOUTU_CACHE_URL": _redis,
    "SOUTU_OBJECTS_URL": _prefix,
}


@contextmanager
def stack(parts: Sequence[str], directory: Path, others: Settings | None = None) -> Iterator[Places]:
    """The named parts of the stack, with fresh data in `directory`; `others` are the settings for parts that
    run already."""
    settings = dict(others or {})
    with ExitStack() as running:
        for name in parts:
            settings |= running.enter_context(server(name, directory / name)).settings
        if "triton" in parts:
            _offer_models(directory / "triton" / "model_repository")
        yield Places(settings)
