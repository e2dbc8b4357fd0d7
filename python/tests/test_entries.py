"""Seals are data from an untrusted place: what is not exactly as expected is never followed."""

import json
import unittest

import support  # noqa: F401

from nerve_checkpoint.entries import CheckpointEntry, Unreadable, parse_entry

GOOD = {
    "format": 1, "nonce": "n", "type": "checkpoint", "job": "j", "attempt": 1, "epoch": 1, "step": 5, "totalSteps": None, "final": False, "completed": False,
    "data": "data/a1-e1-s5-0", "files": [{"name": "state.json", "bytes": 3, "sha256": "0" * 64}], "durationMs": 1,
}


def parsed(**change):
    return parse_entry(7, json.dumps({**GOOD, **change}).encode())


def with_file(**change):
    return parsed(files=[{**GOOD["files"][0], **change}])


class Entries(unittest.TestCase):
    def test_a_good_seal_is_read(self):
        self.assertIsInstance(parsed(), CheckpointEntry)
        self.assertIsInstance(with_file(name="shards/rank-0.bin"), CheckpointEntry)

    def test_names_that_leave_the_folder_are_refused(self):
        for name in ["../x", "/etc/passwd", "a/../b", "a//b", ".hidden", "a/.", "", "a\\b", "a\n", "a\x00b", "x" * 200, "/".join("a" * 20), 5, None]:
            with self.subTest(name=name):
                self.assertIsInstance(with_file(name=name), Unreadable)
        for data in ["data/..", "data/../seal", "elsewhere/a", "/data/a", "data/a/b", "data/", None]:
            with self.subTest(data=data):
                self.assertIsInstance(parsed(data=data), Unreadable)

    def test_sizes_and_counts_have_caps(self):
        for size in [-1, 1 << 41, 1.5, True, "3"]:
            with self.subTest(size=size):
                self.assertIsInstance(with_file(bytes=size), Unreadable)
        self.assertIsInstance(parsed(files=[]), Unreadable)
        self.assertIsInstance(parsed(files=[{**GOOD["files"][0], "name": f"f{n}"} for n in range(1001)]), Unreadable)
        self.assertIsInstance(parsed(files=GOOD["files"] * 2), Unreadable)
        self.assertIsInstance(parse_entry(1, b" " * (1 << 21)), Unreadable)

    def test_anything_else_is_unreadable_and_no_exception(self):
        for data in [None, b"", b"{", b"[]", b"\xff", b"null", b"[" * 100_000, b'{"format": 1}', b'{"format": 1, "type": "resume", "attempt": 0, "epoch": 1}']:
            with self.subTest(data=data and data[:20]):
                self.assertIsInstance(parse_entry(1, data), Unreadable)
        for change in [{"format": 2}, {"type": "party"}, {"step": -1}, {"step": "5"}, {"attempt": None}, {"job": 3}, {"files": {"a": 1}}, {"files": [3]}]:
            with self.subTest(change=change):
                self.assertIsInstance(parsed(**change), Unreadable)


if __name__ == "__main__":
    unittest.main()
