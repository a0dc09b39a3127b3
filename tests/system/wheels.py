"""The wheels that the installer is given: the pedal's own, built from this checkout, and all that it depends on."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from tests.system.layers import cache, command, digest, layer
from tests.system.target import Target

REPOSITORY = Path(__file__).resolve().parents[2]
_CONSTRAINTS = REPOSITORY / "constraints.txt"
_PROJECT = REPOSITORY / "pyproject.toml"
_SOURCES = [_PROJECT, *(REPOSITORY / name for name in ("appliance", "web", "models", "system"))]
_PLATFORMS = ("manylinux_2_34", "manylinux_2_31", "manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014")
# What the emulator is, and not what this machine is.
_CPUS = {"amd64": "x86-64-v3", "arm64": "cortex-a72"}
_TEST_PACKAGES = ("pytest", "pytest-timeout", "hypothesis")
_TOOLCHAIN = REPOSITORY / "tests" / "arm" / "aarch64.cmake"


def wheels(target: Target) -> list[Path]:
    """Every wheel of an installation, the pedal's own first. Blocks: minutes the first time, seconds later."""
    if not sys.version.startswith(f"{target.python}."):
        raise RuntimeError(f"{target.suite} has Python {target.python}: run the tests with that one, not {sys.version}")
    return [own_wheel(target), *sorted(dependencies(target).glob("*.whl"))]


def own_wheel(target: Target) -> Path:
    """The pedal. Only what changed since the last time is compiled."""
    name = f"wheel-{target.suite}-{target.arch}"
    (made,) = layer(
        name, ["wheel 1", target.suite, target.arch, *_SOURCES], lambda made: _build_own(target, made)
    ).glob("*.whl")
    return made


def dependencies(target: Target) -> Path:
    """A folder with the wheels of everything else, as pinned."""
    ingredients = ["dependencies 1", target.arch, target.python, *_requirements(), _CONSTRAINTS]
    name = f"dependencies-{target.suite}-{target.arch}"
    return layer(name, ingredients, lambda made: _fetch(target, made))


def packages_for_tests(target: Target) -> Path:
    """A folder `packages` with pytest and what the project's tests need beside the pedal."""
    ingredients = ["test packages 2", target.arch, target.python, *_TEST_PACKAGES, _CONSTRAINTS]
    name = f"test-packages-{target.suite}-{target.arch}"
    return layer(name, ingredients, lambda made: _fetch_packages_for_tests(target, made)) / "packages"


def _fetch_packages_for_tests(target: Target, made: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "install", "-c", _CONSTRAINTS]
    command([*pip, "--target", made / "packages", *_ready_made(target), *_TEST_PACKAGES])


def _requirements() -> list[str]:
    project = tomllib.loads(_PROJECT.read_text())["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["pi"]]


def _fetch(target: Target, made: Path) -> None:
    requirements = _requirements()
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    if target.arch == "amd64":
        command([*pip, "wheel", "-w", made, "-c", _CONSTRAINTS, *requirements])
        return
    sources = [name for name in requirements if name.startswith("pyalsaaudio")]
    ready = [name for name in requirements if name not in sources]
    command([*pip, "download", "-d", made, "-c", _CONSTRAINTS, *_ready_made(target), *ready])
    for source in sources:
        _cross_build(target, ["-c", _CONSTRAINTS, source], made, {})


def _ready_made(target: Target) -> list[str]:
    """pip's options for wheels of the emulated machine."""
    platforms = [word for name in _PLATFORMS for word in ("--platform", f"{name}_{target.machine}")]
    return ["--only-binary=:all:", "--python-version", target.python, *platforms]


def _build_own(target: Target, made: Path) -> None:
    tools = layer("build-tools", ["tools 1", *_build_requirements()], _make_tools)
    build = cache() / f"build-{target.suite}-{target.arch}-{digest([str(REPOSITORY)])}"
    options = [
        "--no-build-isolation",
        "-C",
        f"build-dir={build}",
        "-C",
        f"cmake.define.APPLIANCE_ARCH={_CPUS[target.arch]}",
    ]
    # The tools' folder is on the search path and not installed into this Python: builds find the same files each time.
    environment = {"PYTHONPATH": str(tools / "packages"), "PATH": f"{tools / 'packages' / 'bin'}:/usr/bin:/bin"}
    if target.arch == "amd64":
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
        command([*pip, "wheel", "--no-deps", "-w", made, *options, REPOSITORY], more=environment)
    else:
        environment["CMAKE_TOOLCHAIN_FILE"] = str(_TOOLCHAIN)
        _cross_build(target, [*options, str(REPOSITORY)], made, environment)


def _cross_build(target: Target, pip_arguments: list[str | Path], made: Path, environment: dict[str, str]) -> None:
    """A wheel with compiled parts for a processor that is not this machine's, by the names Python's tools go by."""
    compiler = f"{target.machine}-linux-gnu-"
    short = target.python.replace(".", "")
    environment = {
        "_PYTHON_HOST_PLATFORM": f"linux-{target.machine}",
        "SETUPTOOLS_EXT_SUFFIX": f".cpython-{short}-{target.machine}-linux-gnu.so",
        "CC": f"{compiler}gcc",
        "CXX": f"{compiler}g++",
        "LDSHARED": f"{compiler}gcc -shared",
        **environment,
    }
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "wheel", "--no-deps", "-w", made]
    command([*pip, *pip_arguments], more=environment)


def _build_requirements() -> list[str]:
    requires: list[str] = tomllib.loads(_PROJECT.read_text())["build-system"]["requires"]
    return [*requires, "cmake", "ninja"]


def _make_tools(made: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    command([*pip, "install", "-c", _CONSTRAINTS, "--target", made / "packages", *_build_requirements()])
