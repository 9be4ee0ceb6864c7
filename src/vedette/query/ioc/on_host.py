"""A whole IOC file over the items of a host: its rules, and its single indicators by look-up, however many they are."""

from collections.abc import Iterable, Sequence

from vedette.query import glob
from vedette.query.ioc import names
from vedette.query.ioc.evaluate import MAX_MATCHED, Item, Match, Verdict, evaluate
from vedette.query.ioc.file import IocFile
from vedette.query.ioc.indicators import TERMS, Indicator, Kind

_BLOCKS = frozenset({Kind.ADDRESS, Kind.NETWORK})


def evaluate_file(found: IocFile, items: Sequence[Item]) -> Verdict:
    """True with what matched of all rules and indicators; unknown if nothing did and any part is unknown."""
    verdicts = [evaluate(rule.criteria, items) for rule in found.rules]
    if found.indicators:
        verdicts.append(_evaluate_indicators(found.indicators, items))
    matched = tuple(match for verdict in verdicts for match in verdict.matched)[:MAX_MATCHED]
    if any(verdict.holds for verdict in verdicts):
        return Verdict(True, matched)  # noqa: FBT003 - the value itself
    return Verdict(None if any(verdict.holds is None for verdict in verdicts) else False)


def _evaluate_indicators(indicators: Iterable[Indicator], items: Sequence[Item]) -> Verdict:
    known = _Known(indicators)
    matched: list[Match] = []
    told = False
    for number, item in enumerate(items):
        for fact, values in item.facts.items():
            kinds = known.kinds.get(f"{item.kind}/{fact}".lower(), ())
            for value in values if kinds else ():
                told = True
                for one in known.meeting(kinds, value):
                    matched.append(Match(TERMS[one.kind], one.text, value[:1_024], number, line=one.line))
                    if len(matched) >= MAX_MATCHED:
                        return Verdict(True, tuple(matched))  # noqa: FBT003 - the value itself
    if matched:
        return Verdict(True, tuple(matched))  # noqa: FBT003 - the value itself
    return Verdict(False if told else None)


class _Known:
    """Indicators by what could meet them."""

    def __init__(self, indicators: Iterable[Indicator]) -> None:
        self._of: dict[tuple[Kind, str], Indicator] = {}
        self._blocks: dict[int, dict[int, Indicator]] = {}
        self.kinds: dict[str, tuple[Kind, ...]] = {}
        for one in indicators:
            term = TERMS[one.kind].lower()
            if one.kind not in self.kinds.get(term, ()):
                self.kinds[term] = (*self.kinds.get(term, ()), one.kind)
            for value in one.values:
                if one.kind in _BLOCKS:
                    first, length = names.network(value)
                    self._blocks.setdefault(128 - length, {})[int.from_bytes(first) >> (128 - length)] = one
                else:
                    self._of[one.kind, value] = one

    def meeting(self, kinds: Iterable[Kind], value: str) -> list[Indicator]:
        """Indicators of `kinds` that `value` meets, each once."""
        found = [one for kind in kinds for one in self._meeting(kind, value)]
        return list({id(one): one for one in found}.values())

    def _meeting(self, kind: Kind, value: str) -> list[Indicator]:
        if kind in _BLOCKS:
            packed = names.address(value)
            number = int.from_bytes(packed) if packed is not None else 0
            blocks = self._blocks.items() if packed is not None else ()
            return [one for bits, firsts in blocks if (one := firsts.get(number >> bits)) is not None]
        match kind:
            case Kind.DOMAIN:
                texts = names.above(glob.fold(value))
            case Kind.HOST:
                texts = names.above(glob.fold(value))[:1]
            case Kind.URL:
                texts = [names.url(value)]
            case _:
                texts = [glob.fold(value)]
        return [one for text in texts if (one := self._of.get((kind, text))) is not None]
