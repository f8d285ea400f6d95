"""The user's signing key: a local root, and a leaf that it vouches for; and what they agreed to.

A folder of its own holds `root.pem`, `root-key.pem`, `chain.pem` (leaf, then root), `key.pem` and
`settings.json`; keys are readable by their owner alone. It is `EDIFFI_KEYS`, or `keys` in the
user's data folder.
"""

from __future__ import annotations

import datetime
import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs
from pydantic import BaseModel, ConfigDict, ValidationError

from ediffi.core.errors import UserError, note
from ediffi.core.files import write_atomically

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

FILES = ("root.pem", "root-key.pem", "chain.pem", "key.pem")
YEARS = 20  # nobody vouches for when a picture was signed, so a picture's seal ends with the leaf
WHAT_IT_PROVES = (
    "a root that you made yourself proves that a file has not changed since somebody with this key "
    "signed it; to others it does not prove who you are, unless you give them root.pem another way"
)


class Settings(BaseModel):
    """What the user agreed to. sign: whether pictures are signed; prompts: whether the signed part
    tells the prompt; watermark: whether pixels are marked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sign: bool = True
    prompts: bool = False
    watermark: bool = False


@dataclass(frozen=True)
class Keys:
    """chain, key: PEM, what pictures are signed with; root: PEM, what its owner trusts."""

    chain: str
    key: str
    root: str
    algorithm: str

    @property
    def certificate(self) -> x509.Certificate:
        from cryptography import x509

        return x509.load_pem_x509_certificates(self.chain.encode())[0]

    def described(self) -> dict[str, Any]:
        """Name, issuer, fingerprint (sha256 of the leaf) and end of validity."""
        from cryptography.hazmat.primitives.hashes import SHA256

        leaf = self.certificate
        return {
            "name": _common_name(leaf.subject),
            "issuer": _common_name(leaf.issuer),
            "fingerprint": leaf.fingerprint(SHA256()).hex(),
            "algorithm": self.algorithm,
            "valid_until": leaf.not_valid_after_utc.date().isoformat(),
        }


def keys_folder() -> Path:
    """Where the user's keys are."""
    given = os.environ.get("EDIFFI_KEYS")
    return Path(given) if given else platformdirs.user_data_path("ediffi") / "keys"


def load_keys(folder: Path) -> Keys | None:
    """The keys of a folder; None where there are none.

    Raises:
        UserError: they are there but cannot be used.
    """
    if not (folder / "key.pem").is_file():
        return None
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        chain, key, root = ((folder / n).read_text() for n in ("chain.pem", "key.pem", "root.pem"))
        private: Any = load_pem_private_key(key.encode(), None)
        keys = Keys(chain, key, root, _algorithm(private))
        leaf = keys.certificate
        if leaf.public_key() != private.public_key():
            raise UserError(f"{folder / 'key.pem'} is not the key of chain.pem's first certificate")
    except (OSError, ValueError, TypeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"cannot use the keys in {folder}: {error}") from error
    if leaf.not_valid_after_utc < datetime.datetime.now(datetime.UTC):
        raise UserError(f"the certificate in {folder} ended on {leaf.not_valid_after_utc:%Y-%m-%d}")
    return keys


def create_keys(folder: Path, name: str) -> Keys:
    """Make a root and a leaf; name: of the signer, as pictures will show it.

    Raises:
        UserError: there are keys already, or the folder cannot be written.
    """
    if load_keys(folder) is not None:
        raise UserError(f"{folder} holds keys already: move them away to start anew")
    from cryptography.hazmat.primitives.asymmetric import ec

    root_key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root_name = _name(f"{name} (self-made root {secrets.token_hex(4)})")
    root = _certificate(root_name, root_key, root_name, root_key, authority=True)
    leaf = _certificate(_name(name), leaf_key, root_name, root_key, authority=False)
    files = {
        "root.pem": _pem(root),
        "root-key.pem": _key_pem(root_key),
        "chain.pem": _pem(leaf) + _pem(root),
        "key.pem": _key_pem(leaf_key),
    }
    return _install(folder, files)


def import_keys(folder: Path, chain: Path, key: Path) -> Keys:
    """Take a certificate chain (leaf first) and its unencrypted key, e.g. of an authority on the
    C2PA trust list.

    Raises:
        UserError: there are keys already, or these do not fit together.
    """
    if load_keys(folder) is not None:
        raise UserError(f"{folder} holds keys already: move them away to start anew")
    from cryptography import x509

    try:
        certificates = x509.load_pem_x509_certificates(chain.read_bytes())
        files = {"chain.pem": chain.read_bytes(), "key.pem": key.read_bytes()}
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {chain} and {key}: {error}") from error
    return _install(folder, files | {"root.pem": _pem(certificates[-1])})


def ensure_keys(folder: Path) -> Keys:
    """The user's keys, made now if there are none."""
    keys = load_keys(folder)
    if keys is None:
        keys = create_keys(folder, f"ediffi user {secrets.token_hex(4)}")
        note(
            f"pictures are signed with a key that was made now, in {folder} (`ediffi keys show`, "
            f"`ediffi keys change --no-sign` turns it off): {WHAT_IT_PROVES}"
        )
    return keys


def load_settings(folder: Path) -> Settings:
    """What the user agreed to; the defaults where they said nothing.

    Raises:
        UserError: the file is damaged.
    """
    path = folder / "settings.json"
    try:
        return Settings.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        raise UserError.of(error, str(path)) from error


def save_settings(folder: Path, settings: Settings) -> None:
    """Raises UserError: the folder cannot be written."""
    _make_private(folder)
    write_atomically(folder / "settings.json", settings.model_dump_json(indent=1).encode())


def _install(folder: Path, files: dict[str, bytes]) -> Keys:
    """All files or none: of two processes that make keys at once, one's are kept."""
    _make_private(folder)
    try:
        with tempfile.TemporaryDirectory(dir=folder) as draft:
            for name, data in files.items():
                (Path(draft) / name).touch(mode=0o600)
                (Path(draft) / name).write_bytes(data)
            keys = load_keys(Path(draft))
            for name in sorted(files, key=("key.pem").__eq__):  # key.pem last: it says all is there
                os.replace(Path(draft) / name, folder / name)
    except OSError as error:
        raise UserError(f"cannot write keys to {folder}: {error.strerror}") from error
    assert keys is not None
    return keys


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise UserError(f"cannot make the folder {folder}: {error.strerror}") from error


def _algorithm(key: Any) -> str:
    """C2PA's name of how a private key signs."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePrivateKey):
        curves = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
        if key.curve.name in curves:
            return curves[key.curve.name]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    raise UserError("C2PA signs with P-256, P-384, P-521, Ed25519 or RSA keys, not with this one")


def _certificate(
    subject: x509.Name,
    key: EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: EllipticCurvePrivateKey,
    *,
    authority: bool,
) -> x509.Certificate:
    """As C2PA asks of certificates (specification 2.4, section 14.5)."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509.oid import ExtendedKeyUsageOID

    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    usage = x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
    ours = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    theirs = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    basic = x509.BasicConstraints(ca=authority, path_length=0 if authority else None)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=365 * YEARS))
        .add_extension(basic, critical=True)
        .add_extension(usage, critical=True)
        .add_extension(ours, critical=False)
        .add_extension(theirs, critical=False)
    )
    if not authority:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purpose, critical=False)
    return builder.sign(issuer_key, SHA256())


def _name(common: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        return x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "self-made with ediffi"),
                x509.NameAttribute(NameOID.COMMON_NAME, common),
            ]
        )
    except ValueError as error:
        raise UserError(f"the name {common[:20]!r} ... does not fit: {error}") from error


def _common_name(name: x509.Name) -> str:
    from cryptography.x509.oid import NameOID

    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()


def _pem(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _key_pem(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
