"""Composing a verb's config with Hydra, every mistake as one line that names what exists."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from evalkit.catalogue import cards
from evalkit.errors import UsageError, nearest, one_line
from evalkit.kinds import text
from evalkit.packs import CONF, conf_packages

__all__ = ["compose", "explain", "opened", "plain", "register_packs"]

OPEN = ("model.engine", "model.extra")
"""Mappings of further arguments for somebody else, which take any key."""


def register_packs() -> None:
    """Let Hydra find the config groups of installed packs."""
    packs = conf_packages()[1:]
    if not packs:
        return
    from hydra.core.config_search_path import ConfigSearchPath
    from hydra.core.plugins import Plugins
    from hydra.plugins.search_path_plugin import SearchPathPlugin

    class Packs(SearchPathPlugin):  # type: ignore[misc]
        """Appends the packages of the entry point group ``evalkit.conf``."""

        def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
            for pack in packs:
                search_path.append(provider="evalkit.conf", path=f"pkg://{pack}")

    Plugins.instance().register(Packs)


def compose(verb: str, overrides: Sequence[str]) -> dict[str, Any]:
    """Compose the config of a verb.

    Args:
        verb: the name of a primary config.
        overrides: Hydra overrides, as typed.

    Returns:
        The composed config, interpolations resolved.

    Raises:
        UsageError: an override names something that does not exist, or cannot be read.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_module
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    register_packs()
    try:
        with initialize_config_module(CONF, version_base="1.3", job_name="evalkit"):
            config = plain(hydra_compose(verb, overrides=opened(overrides)))
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(explain(error, verb)) from None
    except (TypeError, ValueError) as error:  # what Hydra makes of model=1 or model=[1]
        said = " ".join(overrides)
        raise UsageError(
            f"no config has such a name in {said}: write GROUP=NAME, such as model=canary"
        ) from error
    refuse_strangers(verb, config)
    return config


def opened(words: Sequence[str]) -> list[str]:
    """Return overrides with Hydra's leave to add (``++``) where any key may be set."""
    keys = [word.partition("=")[0] for word in words]
    return [
        f"++{word}" if any(key == each or key.startswith(f"{each}.") for each in OPEN) else word
        for key, word in zip(keys, words, strict=True)
    ]


def plain(config: Any) -> dict[str, Any]:
    """Return a composed config as plain values, interpolations resolved.

    Raises:
        UsageError: a value at the top is of the wrong kind.
    """
    from omegaconf import OmegaConf

    made = dict(OmegaConf.to_container(config, resolve=True, throw_on_missing=True))
    limit, again = made.get("limit"), made.get("retry_failed", True)
    if limit is not None and (type(limit) is not int or limit < 1):
        raise UsageError(f"limit={limit}: write a number of rows from 1")
    if type(again) is not bool:
        raise UsageError(f"retry_failed={again}: write true or false")
    for key in ("name", "out", "protocol", "rows"):
        if made.get(key) is not None:
            made[key] = text(key, made[key])
    return made


def refuse_strangers(verb: str, config: dict[str, Any]) -> None:
    """Refuse a key that ``+key=value`` added at the top, where nothing would ever read it."""
    groups = {"tasks", "model", "data", "engine", "judge", "gate"}
    known = {*primary(verb)} - {"defaults", "hydra"} | groups
    for key in config:
        if key not in known:
            raise UsageError(nearest("key", key, sorted(known)))


def primary(verb: str) -> dict[str, Any]:
    """Return a verb's own config as it is written, uncomposed."""
    import yaml

    return dict(yaml.safe_load(files(CONF).joinpath(f"{verb}.yaml").read_text("utf-8")))


def explain(error: Exception, verb: str) -> str:
    """Return one line for an error of Hydra's or OmegaConf's that says what to type."""
    from hydra.errors import MissingConfigException, OverrideParseException
    from omegaconf.errors import MissingMandatoryValue

    if isinstance(error, OverrideParseException):
        return (
            f"cannot read {error.override!r}: write key=value, and quote lists: 'task=[docvqa,...]'"
        )
    if isinstance(error, MissingConfigException):
        group, _, name = (error.missing_cfg_file or "").rpartition("/")
        if group == "hydra/launcher":
            return (
                f"unknown {group}: {name}. submitit_slurm and submitit_local come with"
                " pip install 'evalkit-vl[slurm]'"
            )
        return nearest(group or "config", name, [card.name for card in cards(group)])
    if isinstance(error, MissingMandatoryValue):
        return f"{error.full_key} is not set: write {error.full_key}=..."
    said = str(error)
    if "You must specify" in said:
        group = said.split("'")[1]
        options = [line.strip() for line in said.splitlines() if line.startswith("\t")]
        return f"say which {group}: {group}=NAME, one of {', '.join(options)}"
    if "is not in struct" in said or "Could not override" in said:
        return unknown_key(error.__cause__, said.split("'")[1], verb)
    if said.startswith("Error merging override"):
        return f"cannot set {said.split(' ', 3)[3]}: a value of another kind stands there"
    return one_line(said)


def unknown_key(cause: BaseException | None, given: str, verb: str) -> str:
    """Return one line for a key that the config does not have."""
    key = str(getattr(cause, "full_key", None) or given)
    parent = getattr(cause, "parent_node", None)
    above = f"{key.rpartition('.')[0]}." if "." in key else ""
    known = [f"{above}{name}" for name in parent if name != "hydra"] if parent else []
    if not above:  # task=... and suite=... choose configs, and stand in none
        chosen = {group for each in primary(verb)["defaults"] if each != "_self_" for group in each}
        known = sorted({*known} | {group for group in chosen if group.isidentifier()})
    return f"{nearest('key', key, known)}; see evalkit {verb} --help"
