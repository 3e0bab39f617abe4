"""How weights are merged: what each tensor becomes, and which coefficient a member has in it."""

from composer.specs.parts import Coefficients, Edit, LayerPath

__all__ = ["Coefficients", "Edit", "LayerPath"]
