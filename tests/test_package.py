"""What ships: the wheel holds the tree, and runs where nothing of the checkout is."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {"evalkit": "evalkit"} | {
    name: f"evalkit_{name}" for name in ("tasks", "conf", "results")
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist, the wheel made from the sdist."""
    out = tmp_path_factory.mktemp("dist")
    words = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return out


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of commands in a virtual environment that holds the wheel alone.

    What evalkit depends on is lent by path: modules found so bring no editable install with them.
    """
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (wheel,) = built.glob("*.whl")
    words = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install"]
    words += ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", str(wheel)]
    subprocess.run(words, check=True)
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    cache = str(tmp_path_factory.mktemp("cache"))
    lent = sysconfig.get_paths()["purelib"]
    return {**os.environ, "PATH": path, "PYTHONPATH": lent, "EVALKIT_CACHE": cache}


def tracked() -> set[str]:
    """The files of the tree that should ship, by their names in the wheel."""
    found = set()
    for folder, name in FOLDERS.items():
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith("."):
                found.add(f"{name}/{path.relative_to(ROOT / folder).as_posix()}")
    return found


def test_the_wheel_holds_the_tree_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == tracked()


def command(
    installed: dict[str, str], folder: Path, *words: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["evalkit", *words], cwd=folder, env=installed, capture_output=True, text=True, check=False
    )


def test_the_wheel_runs_from_an_empty_folder(installed: dict[str, str], tmp_path: Path) -> None:
    script = "import evalkit, evalkit_conf as c; print(evalkit.__file__, c.__file__)"
    where = subprocess.run(
        ["python", "-c", script],
        cwd=tmp_path, env=installed, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert str(ROOT) not in where
    assert "docvqa" in command(installed, tmp_path, "list", "tasks").stdout
    shown = command(installed, tmp_path, "show", "task=docvqa", "data=builtin", "limit=2")
    assert shown.stdout.count('"rendered"') == 2, shown.stderr
    done = command(installed, tmp_path, "run", "task=ocrbench", "limit=2", "name=first")
    assert done.returncode == 0, done.stderr
    assert "OCRBench" in done.stdout
    assert {p.name for p in tmp_path.iterdir()} == {"runs"}
    assert (tmp_path / "runs/first/ocrbench/summary.json").is_file()


def test_a_mistake_is_one_line_and_exit_code_2(installed: dict[str, str], tmp_path: Path) -> None:
    done = command(installed, tmp_path, "run", "task=docqva")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("evalkit: unknown task: docqva. Did you mean docvqa?")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
