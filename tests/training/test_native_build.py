"""The training kernels without Python: under the sanitizers, alone and on several threads."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent / "native"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("sanitizers", ["address,undefined", "thread"])
def test_every_kernel_passes_the_sanitizers(tmp_path: Path, sanitizers: str) -> None:
    cmake = shutil.which("cmake")
    if cmake is None:
        pytest.skip("cmake is not installed")
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    options = ["-DCMAKE_BUILD_TYPE=", f"-DSANITIZE={sanitizers}"]
    for command in (
        [cmake, "-S", str(SOURCE), "-B", str(tmp_path), *generator, *options],
        [cmake, "--build", str(tmp_path)],
        [str(tmp_path / "exercise_training")],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-4000:]
    assert "31 exercised" in done.stdout
