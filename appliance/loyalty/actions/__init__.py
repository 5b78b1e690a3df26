"""The actions of this room; each registers itself in the list that every engine offers."""

from ...automation.actions import register
from .add_points import AddPoints
from .issue_coupon import IssueCoupon
from .set_level import SetLevel

for _cls in (AddPoints, SetLevel, IssueCoupon):
    register(_cls)
