"""The functions of libbpf 1.x that are used, called through ctypes; nothing else knows about the library.

The system's `libbpf.so.1` is used (Debian package libbpf1): a static build in the wheel fails because
distributions do not build libelf for it.
"""

import ctypes
import os
from functools import cache

from vedette.runtime.errors import ProbeError

_POINTER, _INT, _TEXT = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
_SIGNATURES: dict[str, tuple[type[object] | None, list[object]]] = {
    "bpf_object__open_mem": (_POINTER, [_TEXT, ctypes.c_size_t, _POINTER]),
    "bpf_object__load": (_INT, [_POINTER]),
    "bpf_object__close": (None, [_POINTER]),
    "bpf_object__next_program": (_POINTER, [_POINTER, _POINTER]),
    "bpf_object__next_map": (_POINTER, [_POINTER, _POINTER]),
    "bpf_program__name": (_TEXT, [_POINTER]),
    "bpf_program__section_name": (_TEXT, [_POINTER]),
    "bpf_program__set_autoload": (_INT, [_POINTER, ctypes.c_bool]),
    "bpf_program__fd": (_INT, [_POINTER]),
    "bpf_program__attach": (_POINTER, [_POINTER]),
    "bpf_program__attach_perf_event": (_POINTER, [_POINTER, _INT]),
    "bpf_program__attach_cgroup": (_POINTER, [_POINTER, _INT]),
    "bpf_program__attach_uprobe_opts": (_POINTER, [_POINTER, _INT, _TEXT, ctypes.c_size_t, _POINTER]),
    "bpf_link__destroy": (_INT, [_POINTER]),
    "bpf_map__name": (_TEXT, [_POINTER]),
    "bpf_map__fd": (_INT, [_POINTER]),
    "bpf_map__set_max_entries": (_INT, [_POINTER, ctypes.c_uint]),
    "bpf_map__initial_value": (_POINTER, [_POINTER, _POINTER]),
    "bpf_map_update_elem": (_INT, [_INT, _POINTER, _POINTER, ctypes.c_ulonglong]),
    "bpf_map_delete_elem": (_INT, [_INT, _POINTER]),
    "bpf_map_lookup_elem": (_INT, [_INT, _POINTER, _POINTER]),
    "bpf_obj_get_info_by_fd": (_INT, [_INT, _POINTER, _POINTER]),
    "ring_buffer__new": (_POINTER, [_INT, _POINTER, _POINTER, _POINTER]),
    "ring_buffer__consume": (_INT, [_POINTER]),
    "ring_buffer__free": (None, [_POINTER]),
    "libbpf_num_possible_cpus": (_INT, []),
    "libbpf_set_print": (_POINTER, [_POINTER]),
}


@cache
def libbpf() -> ctypes.CDLL:
    """The library, its functions typed. Raises ProbeError when it is not installed or too old."""
    try:
        library = ctypes.CDLL("libbpf.so.1", use_errno=True)
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise ProbeError(f"libbpf 1.x is not usable ({error}); install it: apt-get install libbpf1") from error
    library.libbpf_set_print(ctypes.cast(_PRINT, _POINTER))
    return library


def reason() -> str:
    """The system error of the last call, as words."""
    number = ctypes.get_errno()
    return os.strerror(number) if number else "refused without a reason"


messages: list[str] = []
"""What libbpf said, newest last; the loader clears it before a load and quotes from it after a refusal."""

_LONGEST = 1 << 20  # a verifier's log comes as one message, and its end says what is wrong
_libc = ctypes.CDLL(None, use_errno=True)


def _take_message(level: int, form: bytes, arguments: int) -> int:
    if level <= 1:
        text = ctypes.create_string_buffer(_LONGEST)
        _libc.vsnprintf(text, ctypes.c_size_t(_LONGEST), form, ctypes.c_void_p(arguments))
        messages.append(text.value[-4000:].decode("utf-8", "replace").strip())
        del messages[:-50]
    return 0


_PRINT = ctypes.CFUNCTYPE(_INT, _INT, _TEXT, _POINTER)(_take_message)  # must stay alive: libbpf calls it
