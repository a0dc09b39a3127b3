"""The engine as a Pi runs it: cross-compiled with NEON for each Pi's CPU, run under the emulator, same tolerances."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from appliance.engine.packing import pack_model, pack_patch
from appliance.engine.reference import ReferenceEngine
from appliance.formats.description import Description, WaveNet, multiply_adds_per_sample
from tests import models
from tests.arm import building
from tests.engine.test_native_build import RATE_HZ, families

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        bool(building.missing_tools()),
        reason=f"not installed: {', '.join(building.missing_tools())} (system/packages.sh arm)",
    ),
]

# Longer than the largest block and not divided by any; a second of emulation is some ten million multiply-adds.
FRAMES = 1103
FRAMES_OF_LARGE = 307
LARGE_MULTIPLY_ADDS = 3000


@pytest.fixture(scope="module", params=building.CPUS)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A CPU and the folder with the programs built for it."""
    cpu: str = request.param
    return cpu, building.build(tmp_path_factory.mktemp(cpu), cpu)


def shapes() -> dict[str, Description]:
    """Every family of the engine's tests and every kernel path, with names fit for files."""
    rng = np.random.default_rng(11)
    made = {name.replace(" ", "_"): make(rng) for name, make in models.FAMILIES.items()}
    return made | {f"path_{name}": description for name, description in families().items()}


def is_large(description: Description) -> bool:
    """Too much for the emulator to play for long."""
    return multiply_adds_per_sample(description.architecture) > LARGE_MULTIPLY_ADDS


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One case a shape for compare.cpp, the expected output by the float64 reference."""
    folder = tmp_path_factory.mktemp("cases")
    rng = np.random.default_rng(12)
    written = []
    for name, description in shapes().items():
        audio = models.guitarish(rng, FRAMES_OF_LARGE if is_large(description) else FRAMES)
        knobs = rng.uniform(0, 1, (len(description.knobs), len(audio))).astype(np.float32)
        case = folder / name
        write_case(case, description, audio, knobs)
        written.append(case)
    return written


def write_case(case: Path, description: Description, audio: np.ndarray, knobs: np.ndarray) -> None:
    """CASE.blob, .audio, .knobs and .expected, float32 little-endian."""
    expected = ReferenceEngine(description).process(audio, knobs if len(knobs) else None)
    case.with_suffix(".blob").write_bytes(pack_model(description))
    for suffix, values in ((".audio", audio), (".knobs", knobs), (".expected", expected)):
        case.with_suffix(suffix).write_bytes(values.astype("<f4").tobytes())


def test_every_family_agrees_with_the_reference_in_all_blocks_and_splits(
    built: tuple[str, Path], cases: list[Path]
) -> None:
    cpu, programs = built
    said = building.emulate(cpu, [programs / "compare", *cases])
    assert said.count("agrees") == len(cases) >= 30


def test_an_output_that_is_off_by_more_than_the_tolerance_is_found(
    built: tuple[str, Path], cases: list[Path], tmp_path: Path
) -> None:
    cpu, programs = built
    case = tmp_path / "off"
    for suffix in (".blob", ".audio", ".knobs", ".expected"):
        case.with_suffix(suffix).write_bytes(cases[0].with_suffix(suffix).read_bytes())
    expected = np.fromfile(case.with_suffix(".expected"), "<f4")
    expected[-1] += 3e-5
    expected.tofile(case.with_suffix(".expected"))
    with pytest.raises(AssertionError, match="DISAGREES"):
        building.emulate(cpu, [programs / "compare", case])


def test_tanh_is_exact_to_5e_7(built: tuple[str, Path], tmp_path: Path) -> None:
    cpu, programs = built
    # One channel, identity weights: the output is tanh of the input.
    description = models.random_wavenet(np.random.default_rng(0), channels=(1,), dilations=((1,),))
    network = description.architecture
    assert isinstance(network, WaveNet)
    array = replace(
        network.arrays[0],
        layers=(
            replace(
                network.arrays[0].layers[0],
                conv_weight=np.zeros((1, 1, 3), np.float32),
                conv_bias=np.zeros(1, np.float32),
                mixin_weight=np.ones((1, 1), np.float32),
            ),
        ),
        head_weight=np.ones((1, 1, 1), np.float32),
        head_bias=None,
    )
    description = replace(description, architecture=replace(network, arrays=(array,), head_scale=1.0))
    x = np.linspace(-12, 12, 20_001).astype(np.float32)
    write_case(tmp_path / "tanh", description, x, np.zeros((0, len(x)), np.float32))
    said = building.emulate(cpu, [programs / "compare", tmp_path / "tanh"])
    assert float(said.split()[1]) <= 5e-7


def test_whole_and_damaged_models_are_played_or_refused(built: tuple[str, Path], tmp_path: Path) -> None:
    cpu, programs = built
    cabinet = np.random.default_rng(1).standard_normal(700).astype(np.float32) * np.float32(0.02)
    files = []
    small = {name: description for name, description in families().items() if not is_large(description)}
    for name, description in small.items():
        blob = pack_model(description)
        (tmp_path / f"{name}.blob").write_bytes(blob)
        patch = pack_patch(generation=1, sample_rate_hz=RATE_HZ, model_blob=blob, cabinet=cabinet)
        (tmp_path / f"{name}.patch").write_bytes(patch)
        files += [tmp_path / f"{name}.blob", tmp_path / f"{name}.patch"]
    assert len(files) >= 16
    assert f"{len(files)} exercised" in building.emulate(cpu, [programs / "exercise", str(RATE_HZ), *files])


def test_a_playing_pedal_never_touches_the_heap_and_the_counter_bites(built: tuple[str, Path], tmp_path: Path) -> None:
    cpu, programs = built
    blob = pack_model(families()["wide"])
    cabinet = np.random.default_rng(2).standard_normal(3000).astype(np.float32) * np.float32(0.01)
    for generation in range(1, 40):
        patch = pack_patch(generation=generation, sample_rate_hz=RATE_HZ, model_blob=blob, cabinet=cabinet)
        (tmp_path / f"{generation}.patch").write_bytes(patch)
    play = [programs / "allocations", str(RATE_HZ), tmp_path]
    assert building.emulate(cpu, play).startswith("0 heap calls, 12 swaps")
    assert building.emulate(cpu, [*play, "bite"]).startswith("2 heap calls, 12 swaps")


def test_a_build_for_another_machine_asks_which(tmp_path: Path) -> None:
    toolchain = f"-DCMAKE_TOOLCHAIN_FILE={building.HERE / 'aarch64.cmake'}"
    command = ["cmake", "-S", str(building.HERE), "-B", str(tmp_path), toolchain]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "-DAPPLIANCE_ARCH=cortex-a72" in done.stderr
