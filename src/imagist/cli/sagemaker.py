"""``imagist sagemaker``: the commands of a container on Amazon SageMaker, and what its model is packed into.

SageMaker runs a container's image with ``train`` or ``serve``. Both find everything below ``/opt/ml``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path

from imagist.cli.parser import Parser
from imagist.errors import ImagistError, UsageError

ROOT = Path("/opt/ml")
PORT = 8080
_TASKS = ("fit", "train-caption", "study")
_CHECKPOINTS = "checkpoints"


def configure(parser: Parser) -> None:
    """Declares the arguments."""
    actions = parser.add_subparsers(required=True, metavar="package | serve | train")
    package = actions.add_parser("package", help="pack a model into model.tar.gz, with a Dockerfile")
    package.add_argument("model", metavar="MODEL", help="an installed model, or a model folder")
    package.add_argument("--out", type=Path, required=True, metavar="DIR", help="receives both")
    package.set_defaults(act=_package)
    serve = actions.add_parser("serve", help="serve /ping and /invocations for the model in /opt/ml/model")
    serve.set_defaults(act=_serve)
    train = actions.add_parser("train", help="fit, train a captioner or run a study, as the hyperparameters say")
    train.set_defaults(act=_train)
    for action in (serve, train):
        action.add_argument("--root", type=Path, default=ROOT, metavar="DIR", help=f"instead of {ROOT}")


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code."""
    return int(args.act(args))


def _package(args: argparse.Namespace) -> int:
    from imagist.bundle import open_bundle
    from imagist.serving.sagemaker.package import package

    for path in package(open_bundle(args.model), args.out):
        sys.stdout.write(f"{path}\n")
    return 0


def _serve(args: argparse.Namespace) -> int:
    from imagist.cli.main import command_parser
    from imagist.cli.serve import serve_with

    port = os.environ.get("SAGEMAKER_BIND_TO_PORT", str(PORT))
    words = ["--host", "0.0.0.0", "--port", port, "--host-name", "*", "--no-page"]
    model = model_folder(args.root / "model")
    return serve_with(command_parser("serve").parse_args([*words, "--model", f"model={model}"]), sagemaker=True)


def model_folder(folder: Path) -> Path:
    """The folder of the model: the one that SageMaker unpacked it into, or the only one below with a card.

    Raises:
        UsageError: There is none, or several.
    """
    if (folder / "card.toml").is_file():
        return folder
    found = [card.parent for card in sorted(folder.glob("*/card.toml"))]
    if len(found) != 1:
        raise UsageError("needs one model", item=str(folder), remedy="pack it with imagist sagemaker package")
    return found[0]


def _train(args: argparse.Namespace) -> int:
    """Runs what the hyperparameters say; an error is written to where SageMaker looks for it."""
    try:
        return _trained(args.root)
    except Exception as error:
        told = str(error) if isinstance(error, ImagistError) else traceback.format_exc()
        failure = args.root / "output" / "failure"
        failure.parent.mkdir(parents=True, exist_ok=True)
        failure.write_text(told, "utf-8")
        sys.stderr.write(f"imagist: {told}\n")
        return 1


def _trained(root: Path) -> int:
    from imagist.cli.main import command_parser

    hosts = json.loads(os.environ.get("SM_HOSTS", "[]"))
    if len(hosts) > 1 and os.environ.get("SM_CURRENT_HOST") != min(hosts):
        return 0  # one host trains
    given = hyperparameters(root)
    task = given.pop("task", "fit")
    with tempfile.TemporaryDirectory() as scratch:
        made, words = command(task, given, channels(root), root, Path(scratch))
        args = command_parser(words[0]).parse_args(words[1:])
        args.invocation = words
        code = int(args.run(args))
        if code not in (0, 3):  # 3: some images could not be used
            raise UsageError(f"imagist {words[0]} ended with {code}", item=task)
        shutil.copytree(made, root / "model", dirs_exist_ok=True)
    return 0


def command(
    task: str, given: Mapping[str, str], data: Mapping[str, Path], root: Path, scratch: Path
) -> tuple[Path, list[str]]:
    """The command of a task.

    Args:
        task: ``fit``, ``train-caption`` or ``study``.
        given: Hyperparameters: ``config`` names a file of the channel ``config`` (or of the first); a name with a dot
            replaces that setting of the configuration; any other is an option of the command.
        data: The folders of the channels by name.
        root: Instead of ``/opt/ml``; its ``checkpoints``, where there are any, hold a training that is continued.
        scratch: A folder for results.

    Returns:
        Where it writes the model, and its words.

    Raises:
        UsageError: No such task, no channel, or no configuration.
    """
    if not data:
        raise UsageError("there is no channel of data", item=str(root / "input" / "data"))
    options = dict(given)
    first = data.get("training") or data.get("train") or next(iter(data.values()))
    config = options.pop("config", None)
    changes = [f"{name}={options.pop(name)}" for name in sorted(options) if "." in name]
    words = [word for name, value in sorted(options.items()) for word in _option(name, value)]
    words += [word for change in changes for word in ("--set", change)]
    file = None if config is None else str((data.get("config") or first) / config)
    kept = root / _CHECKPOINTS if (root / _CHECKPOINTS).is_dir() else scratch / "run"
    if task == "fit":
        named = ["--config", file] if file else []
        labelled = [str(path) for name, path in data.items() if name != "config"]
        return scratch / "model", ["fit", *labelled, "--out", str(scratch / "model"), "--quiet", *named, *words]
    if task not in _TASKS:
        raise UsageError("no such task", item=task, remedy=f"one of {', '.join(_TASKS)}")
    if file is None:
        raise UsageError(f"{task} needs the hyperparameter config", remedy="name a file of the channel config")
    shared = [file, "--data", str(first), "--folder", str(kept), *words]
    if task == "train-caption":
        return kept / "bundle", ["train", "caption", *shared, "--features", str(kept / "features")]
    return scratch / "model", ["study", *shared, "--save", str(scratch / "model")]


def _option(name: str, value: str) -> Iterator[str]:
    """A hyperparameter as an option; ``true`` is an option without a value, ``false`` none."""
    if value.lower() == "false":
        return
    yield f"--{name.replace('_', '-')}"
    if value.lower() != "true":
        yield value


def hyperparameters(root: Path) -> dict[str, str]:
    """The hyperparameters: those of the file, else those of ``SM_HPS``; SageMaker makes each a text, at times in JSON.

    Raises:
        UsageError: They cannot be read.
    """
    path = root / "input" / "config" / "hyperparameters.json"
    text = path.read_text("utf-8") if path.is_file() else os.environ.get("SM_HPS", "{}")
    try:
        found = json.loads(text)
        return {str(name): _unpacked(value) for name, value in found.items() if not str(name).startswith("sagemaker_")}
    except (ValueError, AttributeError) as error:
        raise UsageError("cannot be read as hyperparameters", item=str(path)) from error


def _unpacked(value: object) -> str:
    if isinstance(value, str) and value[:1] == value[-1:] == '"' and len(value) > 1:
        return str(json.loads(value))
    return value if isinstance(value, str) else json.dumps(value)


def channels(root: Path) -> dict[str, Path]:
    """The folders of the data channels by name: ``SM_CHANNEL_...``, and those below ``input/data``."""
    prefix = "SM_CHANNEL_"
    named = {name.removeprefix(prefix): path for name, path in os.environ.items() if name.startswith(prefix)}
    data = root / "input" / "data"
    there = {each.name: each for each in sorted(data.iterdir()) if each.is_dir()} if data.is_dir() else {}
    return there | {name.lower(): Path(path) for name, path in named.items()}
