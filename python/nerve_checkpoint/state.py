"""How the parts of a training's state are captured and put back: each part becomes a pair (get, put).

"Exactly where it stopped" includes random generators: those of `random`, NumPy and torch are taken without being asked for.
"""

from __future__ import annotations

import array
import random
import sys
from typing import Any, Callable, Dict, Mapping, Tuple

from .errors import CheckpointError, say

Part = Tuple[Callable[[], Any], Callable[[Any], None]]


class State:
    def __init__(self, parts: Mapping[str, Any]) -> None:
        self._parts = {name: _part(name, value) for name, value in parts.items()}
        self._generators = [name for name, value in parts.items() if _is_generator(value)]
        self._again: Callable[[], None] = _nothing

    def capture(self) -> Dict[str, Any]:
        return {"parts": {name: get() for name, (get, _) in self._parts.items()}, "random": _capture_random()}

    def restore(self, tree: Any) -> None:
        saved = tree["parts"]
        missing = sorted(set(self._parts) - set(saved))
        if missing:
            raise CheckpointError("cannot resume", f"the checkpoint has no {', '.join(missing)} (it has {', '.join(sorted(saved))})", "Give the same state as when it was saved, or choose another checkpoint folder")
        for name in sorted(set(saved) - set(self._parts)):
            say(f"the checkpoint's {name} is not used: the script gives no such state")
        for name, (_, put) in self._parts.items():
            put(saved[name])
        if not _restore_random(tree["random"]):
            say("the checkpoint was written with other GPUs: the resumed run will differ from an uninterrupted one")

        drawn = {name: saved[name] for name in self._generators}  # not the whole tree, which may be large
        states = tree["random"]

        def again() -> None:
            for name, state in drawn.items():
                self._parts[name][1](state)
            _restore_random(states)

        self._again = again

    def restore_random_again(self, untrained: bool) -> None:
        """Puts the generators back once more, at the first boundary: what was drawn meanwhile (by iter(DataLoader), say) must not shift them.

        Not where a step has been trained before it (a loop of one's own): what that drew is the run's own.
        """
        if untrained:
            self._again()
        self._again = _nothing


def _nothing() -> None:
    pass


def _is_generator(value: Any) -> bool:
    """Of `random`, NumPy or torch; not anything else that has a state: putting that back again could undo what the script has done."""
    torch = sys.modules.get("torch")
    return isinstance(value, random.Random) or hasattr(value, "bit_generator") or (torch is not None and isinstance(value, torch.Generator))


def _part(name: str, value: Any) -> Part:
    if callable(getattr(value, "state_dict", None)) and callable(getattr(value, "load_state_dict", None)):
        return value.state_dict, value.load_state_dict
    if isinstance(value, random.Random):
        return value.getstate, value.setstate
    if hasattr(value, "bit_generator"):  # numpy.random.Generator
        return lambda: value.bit_generator.state, lambda saved: setattr(value.bit_generator, "state", saved)
    if callable(getattr(value, "get_state", None)) and callable(getattr(value, "set_state", None)):  # torch.Generator
        return value.get_state, value.set_state
    if isinstance(value, tuple) and len(value) == 2 and all(callable(item) for item in value):
        return value[0], value[1]
    if _can_refill(value):
        return lambda: value, lambda saved: _refill(name, value, saved)
    raise CheckpointError("cannot keep the state", f"{name} is a {type(value).__name__}, which cannot be put back in place", f"Put it into a dict, or give {name} as a pair (get, put) of functions")


def _can_refill(value: Any) -> bool:
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    return (
        isinstance(value, (dict, list, array.array))
        or (torch is not None and isinstance(value, torch.Tensor))
        or (numpy is not None and isinstance(value, numpy.ndarray))
    )


def _refill(name: str, live: Any, saved: Any) -> Any:
    """Puts `saved` into `live` where that can be changed in place; the answer is what the place above must hold."""
    if isinstance(live, dict) and isinstance(saved, dict):
        fresh = {key: _refill(f"{name}.{key}", live[key], item) if key in live else item for key, item in saved.items()}
        live.clear()
        live.update(fresh)
        return live
    if isinstance(live, list) and isinstance(saved, list):
        same = len(live) == len(saved)
        live[:] = [_refill(f"{name}[{n}]", live[n], item) for n, item in enumerate(saved)] if same else saved
        return live
    if type(live) is array.array and type(saved) is array.array and live.typecode == saved.typecode:
        live[:] = saved
        return live
    if _can_refill(live) and hasattr(live, "shape"):
        if tuple(live.shape) != tuple(getattr(saved, "shape", ())):
            raise CheckpointError("cannot resume", f"{name} has shape {tuple(live.shape)}, the checkpoint's {tuple(getattr(saved, 'shape', ()))}", "Use the settings it was saved with, or choose another checkpoint folder")
        _copy(live, saved)
        return live
    return saved


def _copy(live: Any, saved: Any) -> None:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(live, torch.Tensor):
        with torch.no_grad():
            live.copy_(saved)
    else:
        live[...] = saved


def _capture_random() -> Dict[str, Any]:
    states: Dict[str, Any] = {"python": random.getstate()}
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None and hasattr(numpy, "random"):
        states["numpy"] = numpy.random.get_state(legacy=False)
    if torch is not None and hasattr(torch, "get_rng_state"):
        states["torch"] = torch.get_rng_state()
        if torch.cuda.is_available():
            states["cuda"] = list(torch.cuda.get_rng_state_all())
    return states


def _restore_random(states: Dict[str, Any]) -> bool:
    """False if the checkpoint's GPUs are not those of here."""
    random.setstate(states["python"])
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if "numpy" in states and numpy is not None:
        numpy.random.set_state(states["numpy"])
    if "torch" in states and torch is not None:
        torch.set_rng_state(states["torch"])
    if "cuda" in states and torch is not None:
        if torch.cuda.is_available() and torch.cuda.device_count() == len(states["cuda"]):
            torch.cuda.set_rng_state_all(states["cuda"])
        else:
            return False
    return True
