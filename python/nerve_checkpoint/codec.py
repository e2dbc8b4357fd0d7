"""State as a tree of plain values, without pickle: JSON for structure, raw bytes for arrays, `torch.save` for tensors only.

Values JSON has no word for become an object with one key that starts with `$`. Floats survive exactly (`repr` round-trips).
Encoding copies everything: after `encode` the training may go on changing its state.
"""

from __future__ import annotations

import array
import json
import sys
from collections import Counter, OrderedDict, defaultdict
from typing import Any, BinaryIO, Callable, Dict, List, Tuple

from .errors import CheckpointError
from .storage import HashingWriter

STATE, ARRAYS, TENSORS = "state.json", "arrays.bin", "tensors.pt"
MAX_STATE_BYTES = 1 << 30
# What a defaultdict may be filled in with: each is found again by its name.
FACTORIES: Dict[str, Callable[[], Any]] = {kind.__name__: kind for kind in (bool, int, float, str, bytes, list, tuple, dict)}

Fill = Callable[[HashingWriter], None]


class Snapshot:
    """A copy of the whole state, ready to be written by another thread."""

    def __init__(self, tree: Any) -> None:
        self._chunks: List[bytes] = []
        self._offset = 0
        self._tensors: Dict[str, Any] = {}
        self._json = json.dumps(self._encode(tree, "state")).encode()

    def files(self) -> List[Tuple[str, Fill]]:
        files: List[Tuple[str, Fill]] = [(STATE, lambda out: _write(out, [self._json]))]
        if self._chunks:
            files.append((ARRAYS, lambda out: _write(out, self._chunks)))
        if self._tensors:
            files.append((TENSORS, lambda out: sys.modules["torch"].save(self._tensors, out)))
        return files

    def _encode(self, value: Any, path: str) -> Any:
        kind = type(value)
        if value is None or kind in (bool, int, float, str):
            return value
        if kind is list:
            return [self._encode(item, f"{path}[{n}]") for n, item in enumerate(value)]
        if kind is dict and all(type(key) is str and not key.startswith("$") for key in value):
            return {key: self._encode(item, f"{path}.{key}") for key, item in value.items()}
        if kind is dict:
            return {"$dict": self._pairs(value, path)}
        if kind is OrderedDict:
            meta = getattr(value, "_metadata", None)  # module versions of a torch state_dict
            return {"$ordered": [self._pairs(value, path), self._encode(meta, f"{path}._metadata")]}
        if kind is Counter:
            return {"$counter": self._pairs(value, path)}
        if kind is defaultdict and (value.default_factory is None or value.default_factory in FACTORIES.values()):
            return {"$defaultdict": [getattr(value.default_factory, "__name__", None), self._pairs(value, path)]}
        if kind in (bytes, bytearray):
            return {"$" + kind.__name__: self._blob(bytes(value))}
        if kind is array.array:
            return {"$array": [value.typecode, value.itemsize, sys.byteorder, *self._blob(value.tobytes())]}
        return self._encode_library_value(value, path)

    def _encode_library_value(self, value: Any, path: str) -> Any:
        torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
        if torch is not None and isinstance(value, torch.Tensor):
            _refuse_tensor(torch, value, path)
            self._tensors[str(len(self._tensors))] = value.detach().to("cpu", copy=True)
            return {"$tensor": str(len(self._tensors) - 1)}
        if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)) and not value.dtype.hasobject:
            _refuse_array(numpy, value, path)
            name = "$ndarray" if isinstance(value, numpy.ndarray) else "$scalar"
            return {name: [value.dtype.str, list(value.shape), *self._blob(value.tobytes())]}
        if isinstance(value, tuple) and not hasattr(value, "_fields"):
            return {"$tuple": [self._encode(item, f"{path}[{n}]") for n, item in enumerate(value)]}
        raise CheckpointError("cannot save the state", f"{path} is a {type(value).__name__}", "Use numbers, text, bytes, lists, dicts, arrays or tensors, or give its object state_dict() and load_state_dict()")

    def _pairs(self, value: Dict[Any, Any], path: str) -> List[Any]:
        return [[self._encode(key, f"{path} key"), self._encode(item, f"{path}[{key!r}]")] for key, item in value.items()]

    def _blob(self, data: bytes) -> List[int]:
        place = [self._offset, len(data)]
        self._chunks.append(data)
        self._offset += len(data)
        return place


def _refuse_tensor(torch: Any, value: Any, path: str) -> None:
    """What `torch.load(weights_only=True)` would not give back is refused now, while there is something to be done about it."""
    if value.is_nested:
        raise _unsavable(path, "nested tensor, which PyTorch does not load again", "Give the list of its parts: unbind()")
    # A torch.nn.Buffer is a plain tensor too, but where it is a type of its own it counts as one.
    if type(value) not in (torch.Tensor, torch.nn.Parameter, getattr(torch.nn, "Buffer", torch.Tensor)):
        raise _unsavable(path, f"{type(value).__name__}, a tensor type that PyTorch does not load again", "Give a plain one: as_subclass(torch.Tensor), or whatever it is made from")


def _refuse_array(numpy: Any, value: Any, path: str) -> None:
    if isinstance(value, numpy.ndarray) and type(value) is not numpy.ndarray:
        raise _unsavable(path, f"{type(value).__name__}, which would come back as a plain array", "Give its plain parts, such as numpy.asarray(x) (and x.mask of a masked array)")
    if numpy.dtype(value.dtype.str) != value.dtype:
        raise _unsavable(path, f"NumPy value of the type {value.dtype}, whose fields or meaning would be lost", "Give each field as an array of its own, or a view as a plain type")


def _unsavable(path: str, kind: str, next_step: str) -> CheckpointError:
    return CheckpointError("cannot save the state", f"{path} is a {kind}", next_step)


def decode(opened: Callable[[str], BinaryIO], names: List[str]) -> Any:
    """The tree of verified files. Tensors come back on the CPU."""
    with opened(STATE) as file:
        tree = json.loads(file.read(MAX_STATE_BYTES))
    arrays = b""
    if ARRAYS in names:
        with opened(ARRAYS) as file:
            arrays = file.read()
    tensors: Dict[str, Any] = {}
    if TENSORS in names:
        tensors = _load_tensors(opened)
    return _Decoder(arrays, tensors).decode(tree)


def _load_tensors(opened: Callable[[str], BinaryIO]) -> Dict[str, Any]:
    try:
        import torch
    except ImportError as error:
        raise CheckpointError("cannot load the checkpoint", "it holds tensors, and PyTorch cannot be imported", "Install the PyTorch it was written with") from error
    with opened(TENSORS) as file:
        try:
            loaded: Dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        except (OSError, MemoryError):
            raise
        except Exception as error:  # UnpicklingError, EOFError, RuntimeError; on other bytes that are no checkpoint anything else
            if "allocat" in str(error).lower():  # torch says so of a lack of memory, with a RuntimeError
                raise CheckpointError("cannot load the checkpoint", str(error), "Give the process more memory") from error
            raise ValueError(f"{TENSORS}: {type(error).__name__}: {error}") from error
    return loaded


class _Decoder:
    def __init__(self, arrays: bytes, tensors: Dict[str, Any]) -> None:
        self._arrays = memoryview(arrays)
        self._tensors = tensors

    def decode(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.decode(item) for item in value]
        if not isinstance(value, dict):
            return value
        tag = next(iter(value), "")
        if len(value) != 1 or not tag.startswith("$"):
            return {key: self.decode(item) for key, item in value.items()}
        return self._decode_tag(tag, value[tag])

    def _decode_tag(self, tag: str, body: Any) -> Any:
        if tag == "$tensor":
            return self._tensors[body]
        if tag == "$tuple":
            return tuple(self.decode(item) for item in body)
        if tag == "$dict":
            return {self.decode(key): self.decode(item) for key, item in body}
        if tag == "$ordered":
            result: Any = OrderedDict((self.decode(key), self.decode(item)) for key, item in body[0])
            if body[1] is not None:
                result._metadata = self.decode(body[1])
            return result
        if tag == "$counter":
            return Counter({self.decode(key): self.decode(item) for key, item in body})
        if tag == "$defaultdict":
            return defaultdict(None if body[0] is None else FACTORIES[body[0]], ((self.decode(key), self.decode(item)) for key, item in body[1]))
        if tag in ("$bytes", "$bytearray"):
            data = self._blob(*body)
            return data if tag == "$bytes" else bytearray(data)
        if tag == "$array":
            return self._array(*body)
        if tag in ("$ndarray", "$scalar"):
            return self._numpy(tag, *body)
        raise ValueError(f"unknown tag {tag}")

    def _blob(self, offset: int, length: int) -> bytes:
        if not 0 <= offset <= offset + length <= len(self._arrays):
            raise ValueError("an array lies outside its file")
        return bytes(self._arrays[offset : offset + length])

    def _array(self, typecode: str, itemsize: int, byteorder: str, offset: int, length: int) -> Any:
        result = array.array(typecode)
        if result.itemsize != itemsize:
            raise ValueError(f"array type {typecode} has another size on this machine")
        result.frombytes(self._blob(offset, length))
        if byteorder != sys.byteorder:
            result.byteswap()
        return result

    def _numpy(self, tag: str, dtype: str, shape: List[int], offset: int, length: int) -> Any:
        import numpy

        kind = numpy.dtype(dtype)
        if kind.hasobject:
            raise ValueError("an array of objects")
        result = numpy.frombuffer(self._blob(offset, length), dtype=kind).reshape(shape).copy()
        return result if tag == "$ndarray" else result[()]


def _write(out: HashingWriter, chunks: List[bytes]) -> None:
    """In pieces, so that a save can be given up between two of them."""
    piece = 1 << 20
    for chunk in chunks:
        for start in range(0, len(chunk), piece):
            out.write(memoryview(chunk)[start : start + piece])
