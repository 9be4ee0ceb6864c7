"""Loads the probes program by program: what a kernel refuses is left out, and its reason kept.

Whether a program loads is found by trying. Lists of kernel features are not a proof: kernels exist that list
`bpf` as an LSM and refuse every trampoline.
"""

import ctypes
import os
import platform
import re
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from vedette.probes.consoles import FUNCTION, Consoles, UprobeOptions
from vedette.probes.libbpf import libbpf, messages, reason
from vedette.probes.mounts import control_groups
from vedette.probes.replacements import ADDED, LSM_PROGRAMS, SMALLEST, select
from vedette.probes.syscalls import TRACEPOINTS, rule_table
from vedette.probes.tracefs import Tracefs, perf_event
from vedette.runtime.errors import ProbeError

OBJECTS = Path(__file__).parent / "objects"
NEEDED = frozenset({"process_exec", "process_exit", "process_fork"})
"""Without these there is no process telemetry, and the next kind of source must be tried."""
SENSELESS_WITHOUT = {"module_arrived": Path("/proc/modules")}
"""Program -> what a kernel has where there is something to see. Without it the program is left out, unrefused."""
OF_IO_URING = {
    "request_taken": "io_uring_submit_req",
    "request_taken_earlier": "io_uring_submit_sqe",
    "request_done": "io_uring_complete",
}
"""Program -> its tracepoint. A kernel without it has the other one, or no io_uring: it is left out, unrefused."""
_INFO_BYTES, _RECURSION_MISSES = 240, 200  # struct bpf_prog_info and the place of one field in it


class Opened:
    """An object file that libbpf has read: its programs and maps by name."""

    def __init__(self, data: bytes) -> None:
        self._bpf = libbpf()
        self._data = data  # libbpf keeps pointers into it
        self.handle: int | None = self._bpf.bpf_object__open_mem(data, len(data), None)
        if not self.handle:
            raise ProbeError(f"the probes cannot be read: {reason()}")
        self.programs = dict(self._walk("bpf_object__next_program", "bpf_program__name"))
        self.maps = dict(self._walk("bpf_object__next_map", "bpf_map__name"))
        self.on_control_groups = self._in_section(b"cgroup")
        self.on_functions = self._in_section(b"uretprobe")

    def _walk(self, step: str, name: str) -> Iterable[tuple[str, int]]:
        item = None
        while item := getattr(self._bpf, step)(self.handle, item):
            yield getattr(self._bpf, name)(item).decode(), item

    def _in_section(self, prefix: bytes) -> frozenset[str]:
        section = self._bpf.bpf_program__section_name
        return frozenset(name for name, program in self.programs.items() if section(program).startswith(prefix))

    def load(self, programs: Iterable[str]) -> str:
        """Load only `programs`; give "" or why the kernel refused."""
        wanted = set(programs)
        for name, program in self.programs.items():
            self._bpf.bpf_program__set_autoload(program, name in wanted)
        messages.clear()
        result = self._bpf.bpf_object__load(self.handle)
        if result == 0:
            return ""
        said = next((line for line in messages if "BPF_PROG_LOAD" not in line and "failed" in line), "")
        return f"{os.strerror(-result)}{': ' if said else ''}{said[:300]}"

    def close(self) -> None:
        """Unload everything."""
        if self.handle:
            self._bpf.bpf_object__close(self.handle)
            self.handle = None


class Probes:
    """The loaded and attached programs. `refused`: program or tracepoint -> reason."""

    def __init__(self, data: bytes, *, rings: dict[str, int], exclude: Iterable[int]) -> None:
        self._bpf = libbpf()
        self._links: list[int] = []
        self._consoles: Consoles | None = None
        self.refused: dict[str, str] = {}
        self._replaced: frozenset[str] = frozenset()
        self.attached: list[str] = []
        self.mode = "tracepoint"
        excluded = tuple(exclude)
        while not self._is_started(data, rings, excluded):
            self.close()  # a program loads but cannot be attached: once more, with what it would have replaced

    def _is_started(self, data: bytes, rings: dict[str, int], exclude: tuple[int, ...]) -> bool:
        self._opened = self._load(data, rings)
        before = ADDED.intersection(self.refused)
        try:
            for pid in exclude:
                self.exclude(pid)
            self.attach()
        except BaseException:
            self.close()
            raise
        return before == ADDED.intersection(self.refused)

    def _prepared(self, data: bytes, rings: dict[str, int]) -> Opened:
        opened = Opened(data)
        for name, size in rings.items():
            self._bpf.bpf_map__set_max_entries(opened.maps[name], size)
        table = rule_table(platform.machine())
        for name, handle in opened.maps.items():
            if name.endswith(".rodata"):
                room = ctypes.c_size_t()
                address = self._bpf.bpf_map__initial_value(handle, ctypes.byref(room))
                ctypes.memmove(address, table, min(len(table), room.value))
        return opened

    def _load(self, data: bytes, rings: dict[str, int]) -> Opened:
        """All programs at once (fast); after a refusal without the one that was refused."""
        senseless = _senseless()
        while True:
            opened = self._prepared(data, rings)
            selection = select(opened.programs.keys() - senseless, self.refused)
            problem = opened.load(selection.programs)
            if not problem:
                self._replaced = selection.replaced
                self.mode = "lsm" if LSM_PROGRAMS & selection.programs else "tracepoint"
                return opened
            opened.close()
            refused = self._refused_among(selection.programs, problem, data, rings)
            if not refused:
                raise ProbeError(f"the kernel refuses the probes: {problem}")
            self.refused |= refused

    def _refused_among(
        self, programs: frozenset[str], problem: str, data: bytes, rings: dict[str, int]
    ) -> dict[str, str]:
        """Who was refused: as libbpf names it, else by trying each alone."""
        named = re.search(r"prog '(\w+)'", problem)
        if named and named[1] in programs:
            return {named[1]: problem}
        refused = {}
        for name in sorted(programs):
            alone = self._prepared(data, rings)
            refusal = alone.load([name])
            alone.close()
            if refusal:
                refused[name] = refusal
        return refused

    def attach(self) -> None:
        """Let the loaded programs observe. Raises ProbeError when those are refused that are needed."""
        numbers = Tracefs()
        on_groups: dict[str, int] = {}
        try:
            for name, program in self._opened.programs.items():
                if name in self.refused or self._bpf.bpf_program__fd(program) < 0:
                    continue
                if name in self._opened.on_control_groups:
                    on_groups[name] = program
                elif name in self._opened.on_functions:
                    self._consoles = Consoles(partial(self._follow, program))
                    if not self.look_for_consoles():
                        self.refused[name] = f"no file with the function {FUNCTION.decode()} is found"
                elif name in TRACEPOINTS:
                    for tracepoint in TRACEPOINTS[name]:
                        if tracepoint not in self._replaced:
                            self._attach_call(numbers, tracepoint, program)
                else:
                    self._keep(name, self._bpf.bpf_program__attach(program))
        finally:
            numbers.close()
        self._attach_to_groups(on_groups)
        missing = sorted(NEEDED.intersection(self.refused))
        if missing:
            raise ProbeError(f"process probes are refused: {missing[0]}: {self.refused[missing[0]]}")

    def look_for_consoles(self) -> bool:
        """Follow shells that were installed since; give whether any is followed. To be called now and then."""
        return self._consoles is not None and self._consoles.look()

    def _follow(self, program: int, path: Path) -> bool:
        options = UprobeOptions.at_return_of(FUNCTION)
        every_process = -1
        link = self._bpf.bpf_program__attach_uprobe_opts(
            program, every_process, os.fsencode(path), 0, ctypes.byref(options)
        )
        if link:
            self._links.append(link)
            self.attached.append(f"{FUNCTION.decode()} of {path}")
        return bool(link)

    def _attach_to_groups(self, programs: dict[str, int]) -> None:
        """Attach to the root of the control groups, beside whatever else is attached there."""
        try:
            root = control_groups()
        except OSError as error:
            self.refused |= dict.fromkeys(programs, f"there are no unified control groups: {error.strerror}")
            return
        try:
            for name, program in programs.items():
                self._keep(name, self._bpf.bpf_program__attach_cgroup(program, root))
        finally:
            os.close(root)

    def _attach_call(self, numbers: Tracefs, tracepoint: str, program: int) -> None:
        try:
            event = perf_event(numbers.number("syscalls", tracepoint))
        except FileNotFoundError:
            return  # a system call that this kernel or machine does not have is not a refusal
        except OSError as error:
            self.refused[tracepoint] = str(error.strerror)
            return
        link = self._bpf.bpf_program__attach_perf_event(program, event)
        if not link:
            os.close(event)  # a link owns its event
        self._keep(tracepoint, link)

    def _keep(self, name: str, link: int | None) -> None:
        if link:
            self._links.append(link)
            self.attached.append(name)
        else:
            self.refused[name] = f"cannot be attached: {reason()}"

    def map_handle(self, name: str) -> int:
        """File descriptor of a map."""
        return int(self._bpf.bpf_map__fd(self._opened.maps[name]))

    def exclude(self, pid: int) -> None:
        """Do not observe the process `pid`."""
        key, value = ctypes.c_uint32(pid), ctypes.c_uint32(1)
        handle = self.map_handle("excluded")
        if self._bpf.bpf_map_update_elem(handle, ctypes.byref(key), ctypes.byref(value), 0):
            raise ProbeError(f"process {pid} cannot be excluded: {reason()}")

    def limit(self, *, each: int, together: int, boot: int) -> None:
        """Allow so many file and module records in 2^30 ns: of one process, of all. `each` 0: as many as come.

        `boot`: nanoseconds from 1970 to the start of this system.
        """
        key, value = ctypes.c_uint32(0), (ctypes.c_uint64 * 2)(together << 32 | each, boot)
        handle = self.map_handle("limits")
        if self._bpf.bpf_map_update_elem(handle, ctypes.byref(key), ctypes.byref(value), 0):
            raise ProbeError(f"file records cannot be limited: {reason()}")

    def dropped(self, kinds: int = 32) -> list[int]:
        """Records lost for want of room in the ring, indexed by kind."""
        return self._counts("dropped", kinds)

    def left_out(self) -> list[int]:
        """Events left out by the limit, indexed by `enum left_out`."""
        return self._counts("left_out", 3)

    def _counts(self, name: str, keys: int) -> list[int]:
        handle = self.map_handle(name)
        values = (ctypes.c_uint64 * self._bpf.libbpf_num_possible_cpus())()
        totals = []
        for number in range(keys):
            key = ctypes.c_uint32(number)
            failed = self._bpf.bpf_map_lookup_elem(handle, ctypes.byref(key), values)
            totals.append(0 if failed else sum(values))
        return totals

    def recursion_misses(self) -> int:
        """How often a program was skipped because it was already running on that CPU."""
        total = 0
        for name, program in self._opened.programs.items():
            if name in self.refused:
                continue
            info = (ctypes.c_ubyte * _INFO_BYTES)()
            size = ctypes.c_uint32(_INFO_BYTES)
            handle = self._bpf.bpf_program__fd(program)
            if not self._bpf.bpf_obj_get_info_by_fd(handle, info, ctypes.byref(size)):
                total += int.from_bytes(bytes(info[_RECURSION_MISSES : _RECURSION_MISSES + 8]), "little")
        return total

    def detach(self) -> None:
        """Let nothing observe any more; the programs stay loaded."""
        links, self._links = self._links, []
        self.attached.clear()
        if links:  # each one waits 30 ms for the kernel's readers (RCU); at once they wait together
            with ThreadPoolExecutor(len(links)) as pool:
                list(pool.map(self._bpf.bpf_link__destroy, links))

    def close(self) -> None:
        """Detach and unload everything."""
        self.detach()
        self._opened.close()


def _senseless() -> frozenset[str]:
    """Give the programs that have nothing to see on this kernel."""
    missing = {name for name, path in SENSELESS_WITHOUT.items() if not path.exists()}
    tracefs = Tracefs()
    for name, tracepoint in OF_IO_URING.items():
        try:
            tracefs.number("io_uring", tracepoint)
        except OSError:
            missing.add(name)
    tracefs.close()
    return frozenset(missing)


def read_object(name: str = "tracepoints") -> bytes:
    """The compiled probes. Raises ProbeError when they were not built."""
    path = OBJECTS / f"{name}.bpf.o"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ProbeError("the probes are not built; run: python build_probes.py") from None


def lsm_refusal() -> str:
    """Give "" when this kernel takes programs of LSM mode, else why not: found by trying the smallest."""
    opened = Opened(read_object("lsm"))
    try:
        return opened.load([SMALLEST])
    finally:
        opened.close()


def start(*, rings: dict[str, int], exclude: Iterable[int], mode: str = "") -> Probes:
    """Load and attach what the kernel takes: LSM mode, else tracepoint mode; or only `mode`. Raises ProbeError."""
    refusal = "" if mode == "tracepoint" else lsm_refusal()
    if mode != "tracepoint" and not refusal:
        try:
            return Probes(read_object("lsm"), rings=rings, exclude=exclude)
        except ProbeError as error:
            refusal = str(error)
    if mode == "lsm":
        raise ProbeError(f"this kernel refuses LSM mode: {refusal}")
    probes = Probes(read_object(), rings=rings, exclude=exclude)
    if refusal:
        probes.refused["lsm"] = refusal
    return probes


if __name__ == "__main__":
    began = time.monotonic()
    probes = start(rings={}, exclude=[os.getpid()])
    print(f"mode {probes.mode}, {len(probes.attached)} attached in {time.monotonic() - began:.2f} s", probes.attached)  # noqa: T201
    for what, why in probes.refused.items():
        print(f"refused: {what}: {why}")  # noqa: T201
    probes.close()
