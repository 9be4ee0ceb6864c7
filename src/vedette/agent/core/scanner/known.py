"""What was found in contents that were scanned already, so that each is scanned once."""

from msgspec import Struct

from vedette.agent.core.scanner.candidates import Candidate
from vedette.engines.objects import Status, Verdict

KEPT = 65_536


class Seen(Struct, frozen=True, gc=False):
    """The verdicts on one content; none when every engine called it clean."""

    verdicts: tuple[Verdict, ...] = ()


CLEAN = Seen()


class Known:
    """Content -> verdicts, of one set of rules. Written by one thread, read by all."""

    def __init__(self) -> None:
        self._seen: dict[str, Seen] = {}
        self._names_matter = False

    def forget(self, *, names_matter: bool) -> None:
        """Begin anew with other rules; `names_matter`: they may say something else of a copy."""
        self._seen, self._names_matter = {}, names_matter

    def of(self, candidate: Candidate) -> Seen | None:
        """Give what is known; None when it must be scanned."""
        return self._seen.get(self._key(candidate))

    def learn(self, candidate: Candidate, verdicts: tuple[Verdict, ...]) -> None:
        """Keep verdicts; the oldest are forgotten when there are too many."""
        seen = self._seen
        if len(seen) >= KEPT:
            for old in list(seen)[: KEPT // 8]:
                del seen[old]
        telling = tuple(verdict for verdict in verdicts if verdict.status != Status.CLEAN)
        seen[self._key(candidate)] = Seen(telling) if telling else CLEAN

    def __len__(self) -> int:
        return len(self._seen)

    def _key(self, candidate: Candidate) -> str:
        file = candidate.file
        digest = file.sha256 or ""
        return f"{digest}\0{file.path}\0{file.owner}\0{file.type}" if self._names_matter else digest
