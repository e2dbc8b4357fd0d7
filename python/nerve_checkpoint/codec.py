"""State as a tree of plain values, without pickle: JSON for structure, raw bytes for arrays, `torch.save` for tensors only.

Values JSON has no word for become an object with one key that starts with `$`. Floats survive exactly (`repr` round-trips).
Encoding copies everything: after `encode` the training may go on changing its state.
"""

from __future__ import annotations

import array
import json
import sys
from collections import OrderedDict
from typing import Any, BinaryIO, Callable, Dict, List, Tuple

from .errors import CheckpointError
from .storage import HashingWriter

STATE, ARRAYS, TENSORS = "state.json", "arrays.bin", "tensors.pt"
MAX_STATE_BYTES = 1 << 30

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
        if kind in (bytes, bytearray):
            return {"$" + kind.__name__: self._blob(bytes(value))}
        if kind is array.array:
            return {"$array": [value.typecode, value.itemsize, sys.byteorder, *self._blob(value.tobytes())]}
        return self._encode_library_value(value, path)

    def _encode_library_value(self, value: Any, path: str) -> Any:
        torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
        if torch is not None and isinstance(value, torch.Tensor):
            self._tensors[str(len(self._tensors))] = value.detach().to("cpu", copy=True)
            return {"$tensor": str(len(self._tensors) - 1)}
        if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)) and not value.dtype.hasobject:
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
        loaded: Dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
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
