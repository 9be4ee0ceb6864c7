"""What a detection rule says of itself."""

from msgspec import Struct


class RuleFacts(Struct, frozen=True, kw_only=True):
    """For alerts, the console and reports; every text is the rule's author's, bounded when the rule is read."""

    id: str
    title: str
    level: str = "medium"
    """informational, low, medium, high or critical."""
    status: str = ""
    """stable, test, experimental, deprecated, unsupported."""
    description: str = ""
    author: str = ""
    techniques: tuple[str, ...] = ()
    """ATT&CK techniques, as T1059.001."""
    tactics: tuple[str, ...] = ()
    """ATT&CK tactics, as in the rule's tags: defense-evasion."""
    advice: tuple[str, ...] = ()
    """Known false positives: what to rule out first."""
    references: tuple[str, ...] = ()
