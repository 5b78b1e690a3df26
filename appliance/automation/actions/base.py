"""What an action is. One file an action; ``__init__`` lists them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from msgspec import Struct, field

from ...accounts.actor import SYSTEM, Actor
from ...core.errors import UserError
from ...forms.catalog import Form
from ...forms.conditions import Context
from ...forms.hooks import Cause


class ActionError(UserError):
    """Parameters that an action cannot take. ``path`` says which, e.g. ``values.stage``."""

    def __init__(self, message: object, path: str = "") -> None:
        self.path = path
        super().__init__(message, path or None)


class Work(Struct):
    """One batch of an action's work. ``memory`` is kept for the next batch, whenever that is.

    ``slot``: the action's place in its rule ("0", "1", …). ``cycle``: the occurrence it acts for, as text: the period of
    ``once_per``, the day of a date, the id of the Change or event; with the cause's subject, slot and record it names
    one effect for ever, so that what leaves the house is keyed by it. ``cycles``: where records of one batch act
    for different occurrences, record id → cycle (:meth:`cycle_of`). ``subject``: what acts, e.g. ``rule:7``.
    ``origin``: record id → what texts may say of the trigger: ``old`` (values before), ``event``, ``occurs_on``.
    """

    form: Form
    cause: Cause
    now: int
    memory: dict[str, Any] = field(default_factory=dict)
    actor: Actor = SYSTEM
    slot: str = "0"
    cycle: str = ""
    cycles: dict[int, str] = field(default_factory=dict)
    subject: str = ""
    origin: dict[int, dict[str, Any]] = field(default_factory=dict)

    def cycle_of(self, record_id: int) -> str:
        return self.cycles.get(record_id, self.cycle)


class Effect(Struct):
    """What one batch did: ids that really changed, a sentence for each that failed (worth another try), and one for
    each that was left alone on purpose (no consent, already has it, nobody to give it to)."""

    changed: set[int] = field(default_factory=set)
    failed: dict[int, str] = field(default_factory=dict)
    skipped: dict[int, str] = field(default_factory=dict)

    def add(self, other: Effect) -> None:
        self.changed |= other.changed
        self.failed |= other.failed
        self.skipped |= other.skipped


class Action:
    """Something to do to a batch of records; whoever has records to act on may use it.

    ``doc`` is the action's JSON. An action owns its parameters, its inputs, its effect
    and its sentence. ``undoable``: its effect is taken back with the run (what it wrote stands in the Changes, or it
    answers ``undo.on_undo``). ``outward``: it leaves the house (a message, a call) and can never be taken back.
    """

    name: ClassVar[str]
    label: ClassVar[Any]
    icon: ClassVar[str] = "bolt"
    undoable: ClassVar[bool] = True
    outward: ClassVar[bool] = False
    params: ClassVar[frozenset[str]]
    """The keys that its JSON may hold beside ``action``; another one is a slip of the pen and refused."""
    room: ClassVar[str] = ""
    """The room (``permissions.ROOMS``) of those who may do it by hand to records of a list; empty: who may edit these."""
    template: ClassVar[str]
    """The partial with its inputs; it gets ``action`` (this object or its blank), ``slot`` and ``form``."""

    def __init__(self, doc: dict[str, Any], form: Form) -> None:
        self.doc = doc
        self.form = form

    @classmethod
    def suits(cls, form: Form) -> bool:
        """Whether the action makes sense for records of the form."""
        return True

    @classmethod
    def blank(cls, form: Form, asked: Mapping[str, str]) -> dict[str, Any]:
        """The document of a new card. ``asked``: what was chosen in it so far (``target``)."""
        return {"action": cls.name}

    @classmethod
    def of_form(cls, values: Any, slot: str, form: Form) -> dict[str, Any]:
        """The JSON that the editor's inputs stand for; their names begin with ``slot`` and a dot."""
        raise NotImplementedError

    def check(self) -> None:
        """Raises :class:`ActionError` with a sentence when the parameters make no sense."""
        raise NotImplementedError

    def words(self) -> str:
        """What it does, as a part of a sentence: 打上标签「沉默预警」."""
        raise NotImplementedError

    @classmethod
    def for_many(cls, form: Form) -> dict[str, Any]:
        """The params that its dialog over a list of records begins with."""
        return {"action": cls.name}

    @classmethod
    def over_many(cls, count: int) -> str:
        """What the button says that does it to so many records; empty: the usual words."""
        return ""

    def pending(self, ctx: Context) -> Any:
        """An expression, true for the records it would change. ``None``: it must see each of them to know."""
        return None

    def foresee(self, batches: Iterable[list[int]], actor: Actor) -> str:
        """HTML that says what would come of it, where that takes more than the number of records."""
        return ""

    def apply(self, ids: Sequence[int], work: Work) -> Effect:
        """Does it to a batch, inside the caller's transaction. Doing it twice is doing it once."""
        raise NotImplementedError
