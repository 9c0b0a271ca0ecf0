"""Settings that a service reads when its modules are imported, found by importing real ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.model import Outcome, PreflightRules, Service, StackInfo, Target
from harness.preflight import ReadinessFinding, Scene
from harness.preflight.check import CannotAskError
from harness.preflight.checks.imports import check_import_settings


def asked(cwd: Path, text: str, *, owned: bool = True, imports: tuple[str, ...] = ("shop.app",)) -> ReadinessFinding:
    (cwd / "shop").mkdir()
    (cwd / "shop" / "app.py").write_text(text)
    service = Service(command=("python", "-m", "shop"), cwd=str(cwd), env={"MODE": "x"}, required_env=("SECRET_KEY",))
    info = StackInfo(
        name="t",
        backend="embedded",
        target="t",
        url="http://127.0.0.1:1",
        owned=owned,
        settings={"SECRET_KEY": "k", "MODE": "test"},
    )
    target = Target(name="t", source="", service=service, preflight=PreflightRules(imports=imports))
    return check_import_settings(Scene(target=target, info=info))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import os\nKEY = os.environ['SECRET_KEY']\n", "shop/app.py:2 reads SECRET_KEY"),
        ("import os\n\nMODE = os.getenv('MODE', '')\n", "shop/app.py:3 reads MODE"),
        ("from os import environ\nif 'MODE' in environ: pass\n", "shop/app.py:2 reads MODE"),
        ("import os\nclass S:\n    key = os.environ.get('SECRET_KEY')\n", "shop/app.py:3 reads SECRET_KEY"),
        ("import os\nALL = dict(os.environ)\n", "shop/app.py:2 reads SECRET_KEY"),
    ],
)
def test_a_setting_that_is_read_at_import_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    found = asked(tmp_path, text)
    assert found.outcome is Outcome.FAIL
    assert said in found.message


@pytest.mark.parametrize(
    "text",
    [
        "import os\ndef key(): return os.environ['SECRET_KEY']\n",
        "import os\nHOME = os.environ.get('HOME')\n",
        "print('not an answer')\n",
    ],
    ids=["when it is called", "no setting of the profile", "output"],
)
def test_what_reads_no_setting_passes(tmp_path: Path, text: str) -> None:
    assert asked(tmp_path, text).message == "1 modules imported, no setting read"


def test_a_library_may_copy_the_environment(tmp_path: Path) -> None:
    library = tmp_path / "site-packages"
    library.mkdir()
    (library / "lib.py").write_text("import os\nALL = dict(os.environ)\n")
    found = asked(tmp_path, f"import sys\nsys.path.append({str(library)!r})\nimport lib\n")
    assert found.outcome is Outcome.PASS


def test_a_module_that_cannot_be_imported_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(
        CannotAskError, match="the modules could not be imported: ModuleNotFoundError: No module named 'n"
    ):
        asked(tmp_path, "import nowhere_at_all\n")


def test_nothing_is_asked_where_nothing_is_named_or_it_is_not_ours(tmp_path: Path) -> None:
    assert asked(tmp_path, "", imports=()).detail["counts"] is False
    (tmp_path / "shop" / "app.py").unlink()
    (tmp_path / "shop").rmdir()
    assert asked(tmp_path, "", owned=False).detail["counts"] is True
