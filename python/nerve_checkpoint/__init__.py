"""Checkpoints that survive spot interruptions, exactly. The contract is docs/checkpoint-contract.md."""

from .checkpointer import Checkpointer
from .desk import Resumed, Seal
from .errors import CheckpointError, StorageError

__all__ = ["CheckpointError", "Checkpointer", "Resumed", "Seal", "StorageError"]
__version__ = "0.1.0"
