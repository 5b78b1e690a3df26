"""Known exports of shop back offices, recognised by their headers. A new one is one module and one line here."""

from __future__ import annotations

from .base import Preset
from .live_room import LiveRoom
from .taobao_items import TaobaoItems
from .taobao_orders import TaobaoOrders

PRESETS: dict[str, Preset] = {preset.name: preset for preset in (TaobaoOrders(), TaobaoItems(), LiveRoom())}


def recognise(names: list[str], form_key: str) -> Preset | None:
    """The preset of ``form_key`` whose headers fit the file best, if any does."""
    fitting = [(preset.fit(names), preset) for preset in PRESETS.values() if preset.form == form_key]
    score, best = max(fitting, key=lambda pair: pair[0], default=(0.0, None))
    return best if score > 0 else None
