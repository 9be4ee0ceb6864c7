"""Starts of interpreters -> script_run: the file, or the text among the arguments, that is run."""

from msgspec.structs import replace

from vedette.agent.linux.examine import Content
from vedette.agent.linux.interpreters import Invocation, Role, interpreter, invocation
from vedette.agent.linux.sources.model import Model
from vedette.agent.linux.sources.process_events import ProcessEvents
from vedette.probes.records import INTERPRETED, Acted, Exec, Text, joined_path, text
from vedette.schema.entities import File, Process, Script
from vedette.schema.events.scripts import ScriptRun

LONGEST_NAME = 8192
CONSOLE = "console"
"""`script.content_name` of lines that were typed."""
_KERNELS_OWN = (b"/proc/", b"/sys/", b"/dev/")
"""Names that mean something else for each process: pipes, descriptors."""
_ENV = "env"
_NOT_A_FILE = Content(status="not_regular")


class ScriptEvents:
    """Translates starts of programs that run a script."""

    def __init__(self, model: Model, processes: ProcessEvents) -> None:
        self._model, self._processes = model, processes

    def exec(self, record: Exec) -> None:
        """Report the start of a program and the script that it runs, if it does."""
        self._processes.exec(record)
        name = text(record.path.partition(b"\0")[0])
        run = _run(record, name)
        if run is None:
            return
        self._processes.acting(record)  # a script is always told, and so is who runs it
        raw = run.value.encode("utf-8", "surrogateescape")
        if run.kind is Role.FILE:
            self._look(record, name, raw)
            return
        value = self._model.environments.redacted(text(raw))
        told = f"{run.option} {value}"[:LONGEST_NAME] if run.kind is Role.MODULE else run.option or None
        content = value if run.kind is Role.TEXT else None
        self._report(record, Script(content=content, content_name=told, app_name=name), None)

    def line(self, record: Text) -> None:
        """Report a line that was typed at a console."""
        line = self._model.environments.redacted(text(record.data))
        self._report(record, Script(content=line, content_name=CONSOLE), None)

    def _look(self, record: Exec, name: str, script: bytes) -> None:
        model = self._model
        path = joined_path(b"" if script.startswith(b"/") else record.directory, script)
        folder, _, leaf = text(path).rpartition("/")

        def found(content: Content) -> None:
            file = model.files.of_content(folder or "/", leaf, content)
            beginning = content.beginning
            told = Script(
                content=None if beginning is None else model.environments.redacted(beginning),
                content_name=text(script)[:LONGEST_NAME],
                app_name=name,
                path=file.path,
                sha256=file.sha256,
            )
            self._report(record, told, file)

        if path.startswith(_KERNELS_OWN):
            found(_NOT_A_FILE)
            return
        # First as the process sees it, which may have another root; when it is gone, as the agent does.
        paths = (b"/proc/%d/root%b" % (record.pid, path), model.reachable(record, path))
        model.lookups.ask(paths, found, script=record.ids[2:4])

    def _report(self, record: Acted, script: Script, file: File | None) -> None:
        model = self._model
        life = self._processes.acting(record)
        time, user, session = model.clock.micros(record.time), model.accounts.user(record.ids), life.session

        def ready(process: Process) -> None:
            told = script
            if told.app_name is None and process.file is not None:
                told = replace(told, app_name=process.file.name)
            model.emit(ScriptRun(time=time, user=user, session=session, process=process, file=file, script=told))

        self._processes.image_of(life, record.time).when_ready(ready)


def _run(record: Exec, name: str) -> Invocation | None:
    """Give what is run. A script whose first line names `env` is told when the program that env looks up starts."""
    arguments = tuple(argument.decode("utf-8", "surrogateescape") for argument in record.args[1:])
    if record.flags & INTERPRETED:
        if name == _ENV and any(interpreter(one.rpartition("/")[2]) for one in arguments):
            return None
        return Invocation(Role.FILE, record.name.decode("utf-8", "surrogateescape"))
    known = interpreter(name)
    return invocation(known, arguments) if known is not None else None
