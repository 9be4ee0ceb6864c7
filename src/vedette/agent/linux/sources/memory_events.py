"""What comes into being without a file: memfd -> file_create; BPF programs, modules from memory -> driver_load."""

from vedette.agent.linux.files import full_path
from vedette.agent.linux.sources.model import Model
from vedette.agent.linux.sources.process_events import ProcessEvents
from vedette.probes.records import Acted, FileAct, Text, text
from vedette.schema.entities import File, Process
from vedette.schema.events.files import DriverLoad, FileCreate

IN_MEMORY = "in_memory"
"""`file.hash_status`: there is no file that could be hashed."""
PROGRAM_TYPES = (
    "unspecified", "socket_filter", "kprobe", "sched_cls", "sched_act", "tracepoint", "xdp", "perf_event",
    "cgroup_skb", "cgroup_sock", "lwt_in", "lwt_out", "lwt_xmit", "sock_ops", "sk_skb", "cgroup_device", "sk_msg",
    "raw_tracepoint", "cgroup_sock_addr", "lwt_seg6local", "lirc_mode2", "sk_reuseport", "flow_dissector",
    "cgroup_sysctl", "raw_tracepoint_writable", "cgroup_sockopt", "tracing", "struct_ops", "ext", "lsm", "sk_lookup",
    "syscall", "netfilter",
)  # fmt: skip
"""`enum bpf_prog_type` of the kernel's API."""


class MemoryEvents:
    """Translates what has a name but no file."""

    def __init__(self, model: Model, processes: ProcessEvents) -> None:
        self._model, self._processes = model, processes

    def file(self, record: FileAct) -> None:
        """Report a file that was made in memory."""
        folder, name = self._model.names.of_walk(record.path)
        path = full_path(folder, name)
        file = File(name=name, directory=folder, path=path, type="memory", hash_status=IN_MEMORY)
        self._report(record, FileCreate, file)

    def program(self, record: Text) -> None:
        """Report a BPF program that was loaded."""
        known = record.sort < len(PROGRAM_TYPES)
        kind = PROGRAM_TYPES[record.sort] if known else str(record.sort)
        name = f"bpf:{text(record.data)}"
        self._report(record, DriverLoad, File(name=name, path=name, type=f"bpf program, {kind}", hash_status=IN_MEMORY))

    def module(self, record: Text) -> None:
        """Report a kernel module that was loaded from memory."""
        file = File(name=text(record.data), size=record.number, type="kernel module, memory", hash_status=IN_MEMORY)
        self._report(record, DriverLoad, file)

    def _report(self, record: Acted, kind: type[FileCreate | DriverLoad], file: File) -> None:
        model = self._model
        life = self._processes.acting(record)
        time, user, session = model.clock.micros(record.time), model.accounts.user(record.ids), life.session

        def ready(process: Process) -> None:
            model.emit(kind(time=time, user=user, session=session, process=process, file=file))

        self._processes.image_of(life, record.time).when_ready(ready)
