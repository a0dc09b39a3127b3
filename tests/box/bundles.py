"""Keys, wheels without dependencies and bundles of them, for tests."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from appliance.box.bundle_make import make_bundle
from appliance.box.signing import TrustedKey, load_private, make_key, parse_public


def key_pair(folder: Path, name: str = "maker") -> tuple[Path, TrustedKey]:
    """(private key file, public key)."""
    folder.mkdir(parents=True, exist_ok=True)
    public = make_key(folder / name)
    return folder / name, parse_public(public.read_text(), name)


def wheel(
    folder: Path,
    name: str = "appliance",
    version: str = "9.1",
    tag: str = "py3-none-any",
    files: Mapping[str, str] | None = None,
    needs: Sequence[str] = (),
    extras: Sequence[str] = ("pi",),
) -> Path:
    """A real wheel that pip installs: modules as given, no dependencies but those in `needs`."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    metadata += [f"Provides-Extra: {extra}" for extra in extras] + [f"Requires-Dist: {need}" for need in needs]
    content = {
        **(files if files is not None else {f"{name}/__init__.py": f"__version__ = {version!r}\n"}),
        f"{info}/METADATA": "\n".join(metadata) + "\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = io.StringIO()
    for path, text in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record.write(f"{path},sha256={digest},{len(text.encode())}\n")
    record.write(f"{info}/RECORD,,\n")
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name_in, text in {**content, f"{info}/RECORD": record.getvalue()}.items():
            archive.writestr(name_in, text)
    return path


def bundle_of(folder: Path, key: Path, *wheels: Path, name: str = "pedal.whl-bundle", oldest: str = "") -> Path:
    """A bundle of these wheels; they must lie in one folder of their own."""
    output = folder / name
    make_bundle(output, wheels[0].parent, load_private(key), notes="Two new amps.", oldest=oldest)
    return output
