"""What a preset is."""

from __future__ import annotations

from typing import Any, ClassVar


class Preset:
    """How the columns of one back office's export fill a form. Headers are compared without surrounding blanks."""

    name: ClassVar[str]
    """What ``guke import --preset`` takes."""
    label: ClassVar[Any]
    form: ClassVar[str]
    signature: ClassVar[frozenset[str]]
    """Headers that an export of this kind always has, and others hardly all have."""
    columns: ClassVar[dict[str, str]]
    """Header → target path; several headers may fill one target (the first that holds a value counts)."""
    values: ClassVar[dict[str, dict[str, str]]] = {}
    """Target path → the words of the export → stored values."""
    constants: ClassVar[dict[str, Any]] = {}
    """Target path → the value every record gets whose column says nothing."""
    derived: ClassVar[tuple[str, ...]] = ()
    """Target paths that :meth:`derive` may fill."""
    key: ClassVar[str | None] = None
    note: ClassVar[Any] = None
    """What the person should know about how this export is understood."""

    def fit(self, names: list[str]) -> float:
        """0 when this is not such an export, else how many of its headers the preset knows."""
        bare = {name.strip() for name in names}
        if not self.signature <= bare:
            return 0.0
        return len(bare & self.columns.keys()) / max(len(bare), 1)

    def mapping(self, names: list[str]) -> dict[int, str]:
        """Column index → target path, in the preset's order: of two columns for one target the first named wins."""
        places = {name.strip(): i for i, name in reversed(list(enumerate(names)))}
        return {places[header]: path for header, path in self.columns.items() if header in places}

    def derive(self, cells: dict[str, list[Any]], size: int) -> dict[str, list[Any]]:
        """Raw columns computed from others (by header), by target path. Runs in the reader's process."""
        return {}
