"""In a fresh interpreter: what a command imports, then in several threads at once the first use of all that decodes.

python many_first.py COMMAND
"""

from __future__ import annotations

import gc
import importlib
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

THREADS = 4


def main(command: str) -> int:
    """0 if every thread came to its end."""
    importlib.import_module(f"harness.cli.{command}")
    steps = [step for module in ("config", "run", "stack", "report", "pytest_plugin") for step in steps_of(module)]
    with tempfile.TemporaryDirectory() as folder:
        steps.append(recipe_of(Path(folder)))
        together = threading.Barrier(THREADS)
        failed: list[BaseException] = []

        def go() -> None:
            together.wait()
            try:
                for step in steps:
                    step()
            except BaseException as error:  # noqa: BLE001 - told to whoever started us
                failed.append(error)

        threads = [threading.Thread(target=go) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    sys.stderr.writelines(f"{error!r}\n" for error in failed)
    return 1 if failed else 0


def steps_of(module: str) -> list[Callable[[], None]]:
    """The first use of each reader that the module brings."""
    importlib.import_module(f"harness.{module}")
    from harness.machine.decoding import Reader

    def use(reader: Reader[object]) -> Callable[[], None]:
        def step() -> None:
            for read, given in ((reader.json, b"{}"), (reader.data, {})):
                try:
                    read(given)  # type: ignore[operator]
                except msgspec.MsgspecError:
                    continue

        return step

    return [use(one) for one in gc.get_objects() if isinstance(one, Reader)]


def recipe_of(folder: Path) -> Callable[[], None]:
    """As preflight reads a stack's recipe, thread by thread."""
    from harness.config import generic_target
    from harness.stack.supervisor.registry import Recipe, read_recipe, write_recipe

    write_recipe(folder, Recipe(target=generic_target("http://127.0.0.1:9"), values={"host": "127.0.0.1"}))
    return lambda: (read_recipe(folder), None)[1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
