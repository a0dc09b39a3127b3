"""Who may change the box's software: Ed25519 keys, and the signature over a bundle's manifest.

A public key is one line of the OpenSSH kind, `ssh-ed25519 AAAA… who`, in a file NAME.pub. Trusted are those in
/etc/appliance/update-keys and those the installed wheel carries; an empty file in /etc takes the wheel's of the same
name out of trust, as systemd's masks do. A private key is PEM (PKCS #8), with or without a pass-phrase; it stays on the
maker's PC. Nothing here touches the network. Ed25519: RFC 8032.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from appliance import paths
from appliance.errors import BadBundle, BadRequest, NotInstalled, StorageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY_FOLDER = Path("etc/appliance/update-keys")
SIGNATURE_BYTES = 64
_CONTEXT = b"appliance update bundle 1\n"  # the same key may sign other things; none of them is taken for a bundle
_LONGEST_KEY_FILE = 4096
_MISSING = "checking signatures takes the library cryptography: pip install 'appliance[pi]'"


@dataclass(frozen=True)
class TrustedKey:
    """A public key. `id`: the first 16 hex digits of the SHA-256 of its 32 bytes; `who`: its file's name."""

    id: str
    who: str
    raw: bytes


def trusted_keys(root: Path = Path("/")) -> list[TrustedKey]:
    """The keys whose bundles this box takes: the owner's, and those that the installed version carries."""
    return keys_in([root / KEY_FOLDER, paths.assets("system") / "update-keys"])


def keys_in(folders: Iterable[Path]) -> list[TrustedKey]:
    """The keys of some folders; of files of the same name the first holds, and an empty one is no key.

    Raises BadBundle for a file that is no key: a typing mistake must not pass for a missing key.
    """
    found: dict[str, TrustedKey | None] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.pub")):
            if path.name not in found:
                text = _read(path)
                found[path.name] = parse_public(text, path.stem) if text.strip() else None
    return [key for key in found.values() if key is not None]


def parse_public(text: str, who: str) -> TrustedKey:
    """A line `ssh-ed25519 AAAA… comment`. Raises BadBundle, NotInstalled."""
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_ssh_public_key
    except ImportError as error:
        raise NotInstalled(_MISSING) from error
    try:
        key = load_ssh_public_key(text.strip().encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise BadBundle(f"the key {who}.pub is no Ed25519 public key: it is one line, ssh-ed25519 AAAA…")
    return _trusted(key, who)


def check_signature(manifest: bytes, key_id: str, signature: bytes, trusted: Iterable[TrustedKey]) -> TrustedKey:
    """The key that signed the manifest. Raises BadBundle: nobody trusted did. NotInstalled."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError as error:
        raise NotInstalled(_MISSING) from error
    keys = list(trusted)
    if not keys:
        raise BadBundle(
            f"this box trusts nobody's updates yet: put the maker's key (a .pub file) into /{KEY_FOLDER} first"
        )
    key = next((one for one in keys if one.id == key_id), None)
    if key is None:
        names = ", ".join(f"{one.who} ({one.id})" for one in keys)
        raise BadBundle(f"it is signed with the key {key_id}, which this box doesn't trust; it trusts {names}")
    try:
        Ed25519PublicKey.from_public_bytes(key.raw).verify(signature, _CONTEXT + manifest)
    except InvalidSignature:
        raise BadBundle(
            f"its signature is not by {key.who}, as it says: it was changed after it was signed. Fetch it again"
        ) from None
    return key


def sign(manifest: bytes, key: Ed25519PrivateKey) -> tuple[str, bytes]:
    """(key id, signature of 64 bytes) for a manifest."""
    return _trusted(key.public_key(), "").id, key.sign(_CONTEXT + manifest)


def make_key(path: Path, passphrase: str | None = None) -> Path:
    """Make a key pair: the private one at `path` (mode 0600), the public one at `path`.pub, which is returned.

    Raises BadRequest when either exists, StorageError, NotInstalled.
    """
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError as error:
        raise NotInstalled(_MISSING) from error
    public = path.with_name(path.name + ".pub")
    for taken in (path, public):
        if taken.exists():
            raise BadRequest(f"{taken} exists: a key that bundles were signed with is not overwritten")
    key = Ed25519PrivateKey.generate()
    locked: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        locked = serialization.BestAvailableEncryption(passphrase.encode())
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(private)
        public.write_bytes(line + b" " + path.name.encode() + b"\n")
    except OSError as error:
        raise StorageError(f"the key can't be written to {path}: {error.strerror}") from error
    return public


def is_locked(path: Path) -> bool:
    """Whether a private key wants a pass-phrase."""
    return b"ENCRYPTED PRIVATE KEY" in _read(path).encode()


def load_private(path: Path, passphrase: str | None = None) -> Ed25519PrivateKey:
    """A private key, PEM. Raises BadRequest (no key, wrong pass-phrase), NotInstalled."""
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError as error:
        raise NotInstalled(_MISSING) from error
    try:
        key = load_pem_private_key(_read(path).encode(), passphrase.encode() if passphrase else None)
    except (ValueError, TypeError):
        raise BadRequest(f"{path} is no private key, or the pass-phrase is wrong") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadRequest(f"{path} is a key of another kind: Ed25519 is wanted (appliance bundle key makes one)")
    return key


def _trusted(key: Ed25519PublicKey, who: str) -> TrustedKey:
    raw = key.public_bytes_raw()
    return TrustedKey(hashlib.sha256(raw).hexdigest()[:16], who, raw)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST_KEY_FILE).decode("utf-8", errors="replace")
    except OSError as error:
        raise BadRequest(f"the key {path} can't be read: {error.strerror}") from error
