from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

import imagist
from imagist.cli import main as main_module
from imagist.cli.main import COMMANDS, command_parser, main
from imagist.errors import BundleTampered
from imagist.images.notices import notice
from imagist.report.terminal import say_notices

HEAVY = ["numpy", "PIL", "rich", "pyarrow", "onnxruntime", "torch", "imagist.pipeline", "imagist.images"]


def outcome(capsys, *argv):
    code = main(argv)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def loaded_by(code):
    script = f"import sys\n{code}\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(ended.stderr.split()), ended.stdout


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["clasify"], []])
def test_what_needs_no_command_imports_nothing_heavy(argv):
    modules, _ = loaded_by(f"from imagist.cli.main import main\nmain({argv})")
    assert "imagist.cli.main" in modules
    assert modules.isdisjoint({*HEAVY, *(module for module, _ in COMMANDS.values())})


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_imports_that_command_alone(name):
    modules, text = loaded_by(f"from imagist.cli.main import main\nmain([{name!r}, '--help'])")
    assert modules.isdisjoint({*HEAVY, *(module for other, (module, _) in COMMANDS.items() if other != name)})
    assert text.startswith(f"usage: imagist {name}")


def test_help_lists_every_command(capsys):
    code, out, _ = outcome(capsys, "--help")
    assert code == 0
    assert all(f"{name} " in out and summary in out for name, (_, summary) in COMMANDS.items())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_both_functions_and_explains_every_argument(name):
    module = import_module(COMMANDS[name][0])
    assert callable(module.configure)
    assert callable(module.run)
    assert all(
        action.help for action in command_parser(name)._actions if action.dest != "command" and action.option_strings
    )


def test_version(capsys):
    assert outcome(capsys, "--version") == (0, f"imagist {imagist.__version__}\n", "")


def test_no_command_is_a_usage_error_with_the_help(capsys):
    code, out, err = outcome(capsys)
    assert (code, out) == (2, "")
    assert "commands:" in err


@pytest.mark.parametrize(("name", "hint"), [("clasify", "did you mean classify?"), ("xyz", "there are classify, ")])
def test_an_unknown_command_gets_a_hint(capsys, name, hint):
    code, _, err = outcome(capsys, name)
    assert code == 2
    assert hint in err
    assert err.count("\n") == 1


def raising(monkeypatch, error):
    def run(args):
        raise error

    monkeypatch.setattr("imagist.cli.models.run", run)


def test_any_error_of_ours_is_one_line(capsys, monkeypatch):
    raising(monkeypatch, BundleTampered("differs\nfrom its card", item="é\x1b[31m", remedy="install anew"))
    code, out, err = outcome(capsys, "models", "list")
    assert (code, out) == (2, "")
    assert err == "imagist: é\\x1b[31m: differs\\nfrom its card (install anew)\n"


def test_a_bug_is_not_hidden(monkeypatch):
    raising(monkeypatch, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        main(["models", "list"])


def test_an_interrupt_is_130_and_one_line(capsys, monkeypatch):
    raising(monkeypatch, KeyboardInterrupt())
    assert outcome(capsys, "models", "list") == (130, "", "imagist: interrupted\n")


def test_a_reader_that_goes_away_is_no_fault_to_speak_of():
    script = "from imagist.cli import main\nmain.HELP = 'x' * 10**7\nraise SystemExit(main.main(['--help']))"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1


STREAMS = """
import os, sys
from imagist.cli import main, models
from imagist.report.terminal import say
def run(args):
    taken = os.open(os.devnull, os.O_RDONLY)
    say(f"message {taken > 2}\\n")
    sys.stdout.write(f"{sys.stdin.read()} result {taken > 2}\\n")
    return 0
models.run = run
raise SystemExit(main.main(["models", "list"]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="redirections of a shell")
@pytest.mark.parametrize(
    ("redirection", "code", "out", "err"),
    [
        ("<&-", 0, " result True\n", "message True\n"),
        (">&-", 2, "", "message True\nimagist: standard output cannot be written: Bad file descriptor"),
        (">/dev/full", 2, "", "message True\nimagist: standard output cannot be written: No space left on device"),
        ("2>&-", 0, "text result True\n", ""),
        ("2>/dev/full", 0, "text result True\n", ""),
        ("<&- >&- 2>&-", 2, "", ""),
        (">/dev/full 2>/dev/full", 2, "", ""),
    ],
)
def test_standard_streams_that_are_closed_or_full(redirection, code, out, err):
    command = ["sh", "-c", f'exec "$0" -c "$1" {redirection}', sys.executable, STREAMS]
    ended = subprocess.run(command, input="text", capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (code, out)
    assert ended.stderr.removesuffix(" (redirect it to another file)\n") == err


@pytest.mark.skipif(sys.platform == "win32", reason="redirections of a shell")
@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
@pytest.mark.parametrize("argv", ["--help", "classify --help", "evaluate captions --help"])
def test_help_that_cannot_be_written_is_an_error(argv, redirection):
    command = ["sh", "-c", f'exec "$0" -m imagist {argv} {redirection}', sys.executable]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr[:43]) == (2, "imagist: standard output cannot be written:")


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_second_interrupt_ends_the_process_at_once():
    script = "import atexit, os, signal, sys\nfrom imagist.cli import main, models\n"
    script += "def run(args):\n    raise KeyboardInterrupt\n"
    script += "models.run, sys.argv = run, ['imagist', 'models', 'list']\n"
    script += "atexit.register(lambda: (os.kill(os.getpid(), signal.SIGINT), print('too late')))\n"
    script += "raise SystemExit(main.main())"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "imagist: interrupted\n")


@pytest.mark.parametrize(
    ("argv", "option"),
    [
        (["classify", "x.jpg", "--out", "-"], "out"),
        (["classify", "x.jpg", "--out", ""], "out"),
        (["fit", "x", "--out", "-"], "out"),
        (["profile", "x", "--report", "-"], "report"),
        (["caption", "x.jpg", "--attention", "-"], "attention"),
    ],
)
def test_a_dash_is_no_name_of_what_is_written(capsys, tmp_path, monkeypatch, argv, option):
    monkeypatch.chdir(tmp_path)
    code, out, err = outcome(capsys, *argv)
    assert (code, out, [*tmp_path.iterdir()]) == (2, "", [])
    assert err.startswith(
        f"imagist: --{option}: {argv[-1]!r} names no file or folder to write (give it a name, such as"
    )


def test_notices_are_messages_on_stderr(capsys):
    say_notices()
    say_notices()
    notice("is left out", item="test-main\x1b", remedy="mend it")
    assert capsys.readouterr().err == "imagist: test-main\\x1b: is left out (mend it)\n"


def test_python_m_imagist_is_the_same():
    ended = subprocess.run([sys.executable, "-m", "imagist", "--version"], capture_output=True, text=True, check=True)
    assert ended.stdout == f"imagist {imagist.__version__}\n"


def test_a_narrow_locale_cannot_stop_the_output(tmp_path):
    script = "import sys\nfrom imagist.cli import main, models\n"
    script += "models.run = lambda args: sys.stdout.write('caf\\u00e9 \\U0001f408\\n') and 0\n"
    script += "raise SystemExit(main.main(['models', 'list']))"
    command = [sys.executable, "-c", script]
    ended = subprocess.run(command, env={"PYTHONIOENCODING": "ascii"}, capture_output=True, text=True, check=True)
    assert ended.stdout == "caf\\xe9 \\U0001f408\n"


def test_the_reference_holds_the_help_of_every_command():
    from imagist.cli.reference import reference

    text = reference()
    assert main_module.HELP in text
    assert all(f"\n## imagist {name}\n" in text for name in COMMANDS)
    assert text == reference()
