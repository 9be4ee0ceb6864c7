"""Records about hold of other processes -> process_access."""

from vedette.agent.linux.sources.model import Model
from vedette.agent.linux.sources.process_events import ProcessEvents
from vedette.probes.records import Access
from vedette.schema.entities import Process, Target
from vedette.schema.events.process import ProcessAccess


class AccessEvents:
    """Translates attaches of debuggers and accesses to the memory of other processes."""

    def __init__(self, model: Model, processes: ProcessEvents) -> None:
        self._model, self._processes = model, processes

    def accessed(self, record: Access) -> None:
        """Report who took hold of whom; a process that takes hold of itself is no event."""
        if record.target == record.pid:
            return
        model, granted = self._model, f"0x{record.mode:x}"
        life = self._processes.acting(record)
        time, user, session = model.clock.micros(record.time), model.accounts.user(record.ids), life.session
        actor = self._processes.image_of(life, record.time)
        found = self._processes.acted(record.target, record.time, look=True)

        def emit(target: Target) -> None:
            actor.when_ready(
                lambda ready: model.emit(
                    ProcessAccess(time=time, user=user, session=session, process=ready, target=target)
                )
            )

        if found is None:  # a thread, or it is gone
            emit(Target(pid=record.target, granted_access=granted))
            return
        image = found[1]

        def known(process: Process) -> None:
            same = image.as_parent(process)
            emit(Target(entity_id=found[0].entity_id, pid=record.target, file=same.file, granted_access=granted))

        image.when_ready(known)
