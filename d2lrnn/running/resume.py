"""Resuming a run: from which checkpoint, and which settings may change."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mxnet as mx

from ..cli import command_line, warn
from ..corpora import Texts, listed
from .dataset import difference, sums
from .directory import Checkpoint, Directory, check_facts, complete, newest, to_settings
from .folder import CHECKPOINTS, CONFIG, read_config
from .origin import Load, begin_with
from .run import Run, stalls
from .settings import Settings, flag_of, spelled

# the settings that may be given again, those that may be with a warning, and those that say where the text is
# found, of which the sum tells whether it is the same
CHANGEABLE = ("epochs", "early_stop", "prefix", "pred_period", "pred_len", "temperature")
WARNED = ("lr", "schedule", "warmup", "weight_decay", "clip")
PLACES = ("corpus", "valid", "encoding", "field")


def begun_settings(folder: Path) -> Settings:
    """The settings with which the run in folder was begun, as config.json has them.

    Raises:
        ValueError: neither config.json nor a checkpoint is whole.
    """
    try:
        return to_settings(read_config(folder), folder / CONFIG)
    except ValueError:
        path, _, facts = _newest(folder)
        return to_settings(facts["config"], path)


def change(
    folder: Path | None, begun: Settings, asked: Mapping[str, Any], *, warns: bool = False
) -> Settings:
    """The settings of the run in folder, with those that are given again.

    Raises:
        ValueError: they would make another run of it.
    """
    for name, value in asked.items():
        before, flag = getattr(begun, name), flag_of(name)
        if value == before:
            continue
        if name == "epochs" and warns and asked.get("schedule", begun.schedule) == "cosine":
            warn(f"{folder}: --epochs was {before} and is {value}: the learning rate jumps to the new cosine")
        if name in CHANGEABLE + PLACES:
            continue
        if name not in WARNED:
            raise ValueError(
                f"{flag} {spelled(value)}: {folder} was begun with {spelled(before)}; omit {flag}, or give "
                "another --out to start afresh"
            )
        if warns:
            warn(f"{folder}: {flag} was {before} and is {value} from now on")
    return dataclasses.replace(begun, **asked)


def resume_run(
    folder: Path, asked: Mapping[str, Any], index: int | None = None, load: Load | None = None
) -> Run:
    """The run in folder as its last whole checkpoint has it; asked: the settings that are given again.

    index: of this worker, where there are several. load: reads the network that --init names, where the run
    ended before its first checkpoint.

    Raises:
        ValueError: no checkpoint is whole, a setting would make another run of it, its config.json or its
            corpus was changed, or it has had all its epochs or stopped early.
    """
    try:
        checkpoint = _newest(folder)
    except FileNotFoundError:  # it ended before its first checkpoint
        return _begin_again(folder, asked, index, load)
    check_facts(checkpoint)
    path, _, facts = checkpoint
    try:
        to_settings(facts["config"], path)
        begun = _settle_places(folder, facts["config"])
        settings = change(folder, begun, asked, warns=True)
        _check_unfinished(folder, settings, facts)
        run = prepare(folder, begun, settings, index, facts["config"]["facts"])
        run.resume(folder, checkpoint)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} was not written by d2lrnn ({type(error).__name__}: {error})") from None
    return run


def _check_unfinished(folder: Path, settings: Settings, facts: Mapping[str, Any]) -> None:
    epoch = facts["progress"]["epoch"]
    if epoch >= settings.epochs:
        had, larger = f"has had its {epoch} epochs", "--epochs"
    elif not facts["progress"]["batch"] and stalls(settings, epoch, facts["best"]):
        had, larger = f"stopped early, after epoch {epoch}", f"--early-stop than {settings.early_stop}"
    else:
        return
    raise ValueError(f"{folder} {had}: give a larger {larger} to go on, or another --out to start afresh")


def _begin_again(folder: Path, asked: Mapping[str, Any], index: int | None, load: Load | None) -> Run:
    begun = begun_settings(folder)
    settings, facts = change(folder, begun, asked, warns=True), read_config(folder).get("facts")
    try:
        run = prepare(folder, begun, settings, index, facts)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{folder / CONFIG} is damaged ({type(error).__name__}: {error})") from None
    if settings.init and load:
        begin_with(run, load(settings))
    run.begin(folder)
    return run


def prepare(folder: Path, begun: Settings, settings: Settings, index: int | None, facts: Any = None) -> Run:
    """The run in folder, its corpus read again. facts: what is known of that; None: it is not looked at.

    Raises:
        ValueError: the corpus is another one, or is not where it was.
        FileNotFoundError: it is not where it is said to be now.
    """

    def check(texts: Texts, valid: Texts | None) -> None:
        if facts:
            _compare(folder, facts, "corpus", settings.corpus, texts)
            _compare(folder, facts, "valid", settings.valid, valid)

    try:
        return Run(settings, index, folder, check=check)
    except FileNotFoundError as error:
        if settings.corpus != begun.corpus:
            raise
        remedy = command_line("d2lrnn.train", "--resume", folder, "--corpus", "NEW")
        raise ValueError(f"{error}; if the corpus of {folder} has moved: {remedy}") from None


def _compare(folder: Path, facts: Any, key: str, names: Sequence[str], texts: Texts | None) -> None:
    """Refuse texts that are not those of the facts; say which documents are others, if that is known."""
    was, now = facts.get(f"{key}_sha256"), texts.sha256 if texts else None
    if was == now or not texts:
        return
    if not was:
        raise ValueError(f"--valid {listed(names)}: {folder} was begun without; omit --valid")
    what, documents = ("corpus", "documents") if key == "corpus" else ("text of --valid", "valid_documents")
    before = facts.get(documents, [])
    before = Directory(folder).read_list(documents) if isinstance(before, int) else before
    raise ValueError(
        f"{folder}: the {what} {listed(names)} is not the one that this run began with: it has sha256 "
        f"{texts.sha256[:12]}…, and that had {was[:12]}…{difference(before, sums(texts.documents))}"
    )


def _newest(folder: Path) -> Checkpoint:
    """The last whole checkpoint, its arrays on the host: which device they go to, its facts say."""
    return newest(folder / CHECKPOINTS, mx.cpu())


def _settle_places(folder: Path, config: Mapping[str, Any]) -> Settings:
    """The settings in the config of a checkpoint, with the places of the text that config.json has.

    Otherwise config.json is for reading: if it says something else, somebody meant something.
    """
    path = folder / CONFIG
    try:
        found = read_config(folder)
    except ValueError as error:
        warn(f"{error}; it is rewritten")
        return to_settings(config, path)
    found, config = complete(found), complete(config)
    for name in [field.name for field in dataclasses.fields(Settings)]:
        if found.get(name) == config[name] or name in PLACES:
            continue
        line = f"{path}: {name} is {found.get(name)!r} there, and {config[name]!r} in the checkpoint"
        if name not in CHANGEABLE + WARNED:
            raise ValueError(f"{line}: put it back, and change settings by flags")
        warn(f"{line}, which counts")
    return to_settings({**config, **{name: found[name] for name in PLACES if name in found}}, path)
