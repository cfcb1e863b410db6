"""What `soutu doctor` says about the engines that run models in this process."""

from typing import TYPE_CHECKING

from soutu.cli.checks import Check

if TYPE_CHECKING:
    from soutu.settings import Settings

_SECONDS = 1.0
_WORTH_WHILE = 1.2  # a shorter lead may be chance


def engine_check(settings: "Settings", model: str) -> Check:
    """How fast each engine runs `model` ("" is the one of new collections), measured for a second each."""
    from soutu.bootstrap import BUNDLED_MODEL, model_store
    from soutu.bootstrap.engines import paces
    from soutu.domain.cards import embedding_model
    from soutu.domain.errors import SoutuError

    models = model_store(settings)
    try:
        ref = embedding_model(models.card(model or settings.default_model or BUNDLED_MODEL)).ref
        found = paces(settings, models, ref, _SECONDS)
    except SoutuError as error:
        return Check(
            "engine", False, error.message, "Is the model added? `soutu models list` shows those there."
        )
    return judged(settings.inference.engine, str(ref), {name: each.by_core for name, each in found.items()})


def judged(chosen: str, model: str, rates: dict[str, float]) -> Check:
    """The finding of pictures for each second of a core by engine; the advice names another engine than the
    `chosen` one where it is worth while."""
    told = [f"{name} {rate:,.0f}" for name, rate in rates.items()]
    told += [] if "openvino" in rates else ["openvino is not installed (pip install 'soutu[openvino]')"]
    finding = f"{chosen}; pictures for each second of a core with {model}: {', '.join(told)}"
    if chosen not in rates:
        return Check("engine", False, finding, f"The setting inference.engine says {chosen}: install it.")
    best = max(rates, key=lambda name: rates[name])
    lead = rates[best] / rates[chosen]
    if lead < _WORTH_WHILE:
        return Check("engine", True, finding)
    return Check("engine", True, finding, f"Set inference.engine to {best}: it is {lead:.1f} times as fast.")
