"""Programs, modules and drivers as Sysmon tells them: version resource, digests, signature."""

from typing import Final

from vedette.normalise.windows.memory import Memory
from vedette.normalise.windows.record import Record
from vedette.normalise.windows.texts import digest, digests, known, split
from vedette.schema.entities import File

_SIGNATURES: Final = {"valid": "ok", "revoked": "revoked", "expired": "invalid", "untrusted": "untrusted"}


def versioned(record: Record, memory: Memory, item: str) -> File | None:
    """Give a program or module with its version resource, digests and signature; one object for equal ones."""
    data = record.data
    path = known(data.get(item))
    if path is None:
        return None
    hashes, signature, status = data.get("Hashes"), data.get("Signature"), data.get("SignatureStatus")
    found = digests(hashes)
    md5, sha256 = digest(found, "md5", 32), digest(found, "sha256", 64)
    memory.learn(record.system.computer, path, md5, sha256)
    key = (path, hashes, signature, status, data.get("OriginalFileName"), data.get("FileVersion"))
    file = memory.files.get(key)
    if file is None:
        directory, name = split(path)
        file = memory.files.put(key, File(
            name=name,
            directory=directory,
            path=path,
            md5=md5,
            sha256=sha256,
            imphash=digest(found, "imphash", 32),
            signer=known(signature),
            signature_status=_signature_status(data),
            # As Sysmon writes them, `-` for none: rules look for just that.
            original_name=data.get("OriginalFileName"),
            company=data.get("Company"),
            product=data.get("Product"),
            description=data.get("Description"),
            version=data.get("FileVersion"),
        ))  # fmt: skip
    return file


def _signature_status(data: dict[str, str]) -> str | None:
    status = data.get("SignatureStatus")
    if status is None:
        return None
    if data.get("Signed", "").lower() == "false" and status.lower() in {"unavailable", "", "-"}:
        return "unsigned"
    return _SIGNATURES.get(status.lower(), "error")
