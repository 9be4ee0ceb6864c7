"""Says whether the content of an object is hidden by a password: rules cannot see what it holds."""

import struct

_ZIP = b"PK\x03\x04"
_ZIP_HEAD = struct.Struct("<4s2xH")
_ENCRYPTED_MEMBER = 0x0001
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
_RAR5 = b"Rar!\x1a\x07\x01\x00"
_RAR5_CRYPT = 4
_PDF, _PDF_TAIL = b"%PDF-", 4096


def is_encrypted(data: bytes) -> bool:
    """Tell ZIP archives with a protected first member, protected Office documents and PDF, RAR 5 with hidden names."""
    if data.startswith(_ZIP) and len(data) >= _ZIP_HEAD.size:
        return bool(_ZIP_HEAD.unpack_from(data)[1] & _ENCRYPTED_MEMBER)
    if data.startswith(_OLE):
        return _ENCRYPTED_PACKAGE in data
    if data.startswith(_PDF):
        return b"/Encrypt" in data[-_PDF_TAIL:] or b"/Encrypt" in data[:_PDF_TAIL]
    if data.startswith(_RAR5):
        # CRC (4 bytes), size (a variable integer of one byte for this header), type.
        return data[13:14] == bytes([_RAR5_CRYPT])
    return False
