"""Records about mapped code -> module_load; about kernel modules -> driver_load."""

from vedette.agent.linux.examine import Content
from vedette.agent.linux.hashing import version_of
from vedette.agent.linux.sources.model import Model
from vedette.agent.linux.sources.process_events import ProcessEvents
from vedette.probes.records import DRIVER, PATH_CUT, Acted, FileAct, walked_path
from vedette.schema.entities import File
from vedette.schema.events.files import DriverLoad, ModuleLoad


class ModuleEvents:
    """Translates loads of shared objects and drivers; each version of each file is looked at once."""

    def __init__(self, model: Model, processes: ProcessEvents) -> None:
        self._model, self._processes = model, processes

    def mapped(self, record: FileAct) -> None:
        """Report the load of a shared object or a driver."""
        model, version = self._model, version_of(record.inode)
        file = model.files.shared(record.path, version)
        if file is not None:
            if record.kind == DRIVER or not model.savings.is_usual(file.path or "", record.inode):
                self._report(record, file)
            return
        folder, name = model.names.of_walk(record.path, cut=bool(record.flags & PATH_CUT))

        def found(content: Content) -> None:
            module = model.files.shared(record.path, version)
            if module is None:
                module = model.files.of_content(folder, name, content, record.inode)
                if content.status in (None, "too_large"):
                    model.files.share(record.path, version, module)
            self._report(record, module)

        known = model.lookups.known(version)
        if known is not None:
            found(known)
            return
        paths = model.places(record, walked_path(record.path))
        model.lookups.ask(paths, found, version=version, modified=record.inode.modified, program=True)

    def named(self, record: Acted, name: str) -> None:
        """Report the load of a driver of which only the name is told."""
        self._report(record, File(name=name))

    def _report(self, record: Acted, module: File) -> None:
        model = self._model
        life = self._processes.acting(record)
        time, user, session = model.clock.micros(record.time), model.accounts.user(record.ids), life.session
        image = self._processes.image_of(life, record.time)
        process = image.process
        kind = DriverLoad if record.kind == DRIVER else ModuleLoad
        if process is not None:
            model.emit(kind(time=time, user=user, session=session, process=process, file=module))
            return
        image.when_ready(
            lambda ready: model.emit(kind(time=time, user=user, session=session, process=ready, file=module))
        )
