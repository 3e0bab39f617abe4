"""Which model goes to which device, by memory and by time. A plan and the engine use the same rule.

Models that are asked together step at the same time, so that they are put on different devices
where both fit; models that never run together may take turns on one. A model that is larger than
any device is spread over several, layer by layer.

Models are placed one after another, the slowest or the largest first (a list schedule: Graham,
1969, doi 10.1137/0117039), where they add least to the slowest device, or where most room is. The
best of these results is taken.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from composer.checkpoints.demands import CPU, Demand, Device, Placement
from composer.checkpoints.splits import Split
from composer.diagnostics.amounts import size_text
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["place"]

STEPS = 64
"""In how many steps the load of devices is raised until the layers of a model fit."""


Result: TypeAlias = dict[str, Placement | ModelError]


def place(
    demands: Sequence[Demand], devices: Sequence[Device], together: Iterable[frozenset[str]] = ()
) -> Result:
    """Return the place of each model by its name, or why it has none (E601, E602).

    `together` are the names of models that are asked at the same time: what these take of a device
    never exceeds its room. Those that ask for a device go first, then the largest.
    """
    groups = [group for group in together if len(group) > 1]
    slowest = sorted(demands, key=lambda each: -max(map(each.time, _names(devices)), default=0.0))
    largest = sorted(demands, key=lambda each: -each.gpu)
    ways = (slowest, _quickest), (largest, _quickest), (largest, _roomiest)
    tables = [_Table(order, devices, groups, rank) for order, rank in ways]
    return min(tables, key=_Table.cost).result


@dataclass(eq=False)
class _Table:
    """Places as they are given out, by one way to choose among devices that have room."""

    demands: Sequence[Demand]
    devices: Sequence[Device]
    groups: Sequence[frozenset[str]]
    rank: Callable[[_Table, Demand, Device], tuple[float, ...]]
    result: Result = field(default_factory=dict)

    def __post_init__(self) -> None:
        for demand in sorted(self.demands, key=lambda each: each.wanted == "auto"):
            self.result[demand.name] = self._choose(demand)

    def cost(self) -> tuple[float, ...]:
        """What makes a table worse: models without a place, those that take turns, slow steps."""
        placed = [each for each in self.result.values() if isinstance(each, Placement)]
        crowded = sum(max(0.0, -self.free(each)) for each in self.devices)
        slowest = sum(
            max((self.time(each.name, group) for each in self.devices), default=0.0)
            for group in self.groups
        )
        return len(self.result) - len(placed), crowded, slowest

    def free(self, device: Device) -> float:
        """What all models together leave of a device; less than nothing where they take turns."""
        return device.room - sum(self._taken(device.name, self.result))

    def time(self, device: str, names: Iterable[str]) -> float:
        """The seconds of a step of some models on a device."""
        on = set(self._on(device)).intersection(names)
        return sum(each.time(device) for each in self.demands if each.name in on)

    def partners(self, name: str) -> set[str]:
        """The models that are asked together with one."""
        return {other for group in self.groups if name in group for other in group} - {name}

    def _on(self, device: str) -> list[str]:
        found = self.result.items()
        return [n for n, each in found if isinstance(each, Placement) and device in each.devices]

    def _taken(self, device: str, names: Iterable[str]) -> Iterable[int]:
        for name in names:
            each = self.result.get(name)
            if isinstance(each, Placement):
                yield each.devices.get(device, 0)

    def _choose(self, demand: Demand) -> Placement | ModelError:
        split = Split.of(demand.wanted)
        if split is not None:
            return Placement(demand.wanted, demand.shares(demand.wanted), split.told())
        allowed = [each for each in self.devices if self._allows(demand, each)]
        if not allowed and demand.wanted == CPU:
            allowed = [Device(CPU)]
        if not allowed:
            return _absent(demand, self.devices)
        fast = [each for each in allowed if each.name != CPU] or allowed
        ways = (
            partial(self._beside, demand, fast),
            partial(self._in_turn, demand, fast),
            partial(self._split, demand, fast),
            partial(self._beside, demand, allowed),
            partial(self._in_turn, demand, allowed),
            partial(self._split, demand, allowed),
        )
        found = next(filter(None, (way() for way in ways)), None)
        return found or self._refused(demand, allowed)

    def _allows(self, demand: Demand, device: Device) -> bool:
        if demand.wanted == "auto":
            return not demand.most or device.name in demand.most
        return device.name == ("cuda:0" if demand.wanted == "cuda" else demand.wanted)

    def _beside(self, demand: Demand, devices: Sequence[Device]) -> Placement | None:
        """Put it where there is room beside all others."""
        fits = [
            each
            for each in devices
            if _need(demand, each) <= min(self.free(each), _limit(demand, each))
        ]
        best = min(fits, key=partial(self.rank, self, demand), default=None)
        return None if best is None else self._placed(demand, best)

    def _in_turn(self, demand: Demand, devices: Sequence[Device]) -> Placement | None:
        """Put it where there is room beside those that are asked together with it."""
        fits = [
            each
            for each in devices
            if _need(demand, each) <= min(self._left(demand.name, each), _limit(demand, each))
        ]
        best = max(fits, key=lambda each: each.room, default=None)
        if best is None:
            return None
        others = sorted(set(self._on(best.name)) - self.partners(demand.name))
        why = f"in turn with {_listed(others)}" if others else ""
        return Placement(best.name, demand.shares(best.name), why)

    def _left(self, name: str, device: Device) -> float:
        """What the models that are asked together with one leave of a device, at least."""
        groups = [group for group in self.groups if name in group] or [frozenset[str]()]
        return device.room - max(sum(self._taken(device.name, group)) for group in groups)

    def _split(self, demand: Demand, devices: Sequence[Device]) -> Placement | None:
        """Spread its layers over as few devices as have room for them."""
        free = {each: min(self.free(each), _limit(demand, each)) for each in devices}
        order = sorted(devices, key=lambda each: (each.name == CPU, -free[each]))
        for count in range(2, len(order) + 1) if demand.layers else ():
            for step in range(1, STEPS + 1):
                shares = [(each.name, free[each] * step / STEPS) for each in order[:count]]
                split = _filled(demand, shares)
                if split is not None:
                    why = f"{split.told()}: it is larger than what one device has free"
                    return Placement(str(split), demand.shares(str(split)), why)
        return None

    def _placed(self, demand: Demand, device: Device) -> Placement:
        """Say why it goes to a device that has room."""
        why, partners = "", self.partners(demand.name)
        here = sorted(partners.intersection(self._on(device.name)))
        away = sorted(n for n in partners - set(here) if isinstance(self.result.get(n), Placement))
        gpus = [each for each in self.devices if each.name != CPU]
        if demand.wanted == "auto" and gpus:
            if device.name == CPU:
                why = "no GPU has room for it"
            elif away and len(gpus) > 1:
                why = f"apart from {_listed(away)}, since they step together"
            elif here and len(gpus) > 1:
                why = f"beside {_listed(here)}: no other device has room"
        return Placement(device.name, demand.shares(device.name), why, timed=bool(demand.seconds))

    def _refused(self, demand: Demand, allowed: Sequence[Device]) -> ModelError:
        largest = max(allowed, key=lambda each: min(each.room, _limit(demand, each)))
        room, need = min(largest.room, _limit(demand, largest)), _need(demand, largest)
        if need <= room:
            partners = sorted(n for n in self.partners(demand.name) if n in self.result)
            text = (
                f"`{demand.name}` does not fit beside {_listed(partners)}, with which it is asked"
            )
            return ModelError("E601", f"{text}: it needs {size_text(need)}", FEWER)
        text = f"`{demand.name}` needs {size_text(need)}, more than any device has free"
        smaller = LIMITED if demand.most else SMALLER
        return ModelError("E601", text, f"{largest.name} has {size_text(room)} free; {smaller}")


FEWER = "use a smaller `dtype`, or ask one of them behind a server"
LIMITED = "raise its `max_memory`, or name more devices there"
SMALLER = "use a smaller `dtype`, or `device = cpu`"


def _names(devices: Iterable[Device]) -> list[str]:
    return [device.name for device in devices]


def _quickest(table: _Table, demand: Demand, device: Device) -> tuple[float, ...]:
    """Where the models that step together with it are done first, then where least is done."""
    own = demand.time(device.name)
    beside = table.time(device.name, table.partners(demand.name)) + own
    return beside, table.time(device.name, table.result) + own, -table.free(device)


def _roomiest(table: _Table, demand: Demand, device: Device) -> tuple[float, ...]:
    """Where most is free."""
    del demand
    return (-table.free(device),)


def _need(demand: Demand, device: Device) -> int:
    return demand.need(device.name)


def _limit(demand: Demand, device: Device) -> float:
    return demand.most.get(device.name, float("inf"))


def _filled(demand: Demand, shares: Sequence[tuple[str, float]]) -> Split | None:
    """Fill devices with layers, in their order, up to so many bytes each; None if some are left."""
    parts, counts, layer = demand.parts(shares[0][0]), dict[str, int](), 1
    taken = parts[0]  # what is no layer lies on the first device
    for device, room in shares:
        while layer < len(parts) and taken + parts[layer] <= room:
            taken, layer = taken + parts[layer], layer + 1
            counts[device] = counts.get(device, 0) + 1
        taken = 0
    whole = layer == len(parts) and next(iter(counts), "") == shares[0][0]
    return Split(tuple(counts.items())) if whole else None


def _absent(demand: Demand, devices: Sequence[Device]) -> ModelError:
    names = dict.fromkeys([*(device.name for device in devices), CPU])
    wanted = ", ".join(demand.most) if demand.wanted == "auto" else demand.wanted
    text = f"`{demand.name}` asks for the device `{wanted}`, which this machine does not have"
    return ModelError("E602", text, f"use one of: {', '.join(names)}, or `device = auto`")


def _listed(names: Sequence[str]) -> str:
    """Write names as a list of a sentence."""
    *first, last = (f"`{name}`" for name in names)
    return f"{', '.join(first)} and {last}" if first else last
