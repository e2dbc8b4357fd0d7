"""Folders and buckets: exclusive creation, links refused, errors that say what to do, and retention."""

import errno
import http.client
import importlib.util
import io
import os
import shutil
import tempfile
import threading
import unittest
import uuid
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

from support import REAL_S3, needs_s3, tree

from nerve_checkpoint import storage
from nerve_checkpoint.codec import Snapshot
from nerve_checkpoint.errors import Cancelled, CheckpointError, StorageError, Superseded
from nerve_checkpoint.loader import load_newest
from nerve_checkpoint.log import SealLog, check_fence
from nerve_checkpoint.s3 import S3Store
from nerve_checkpoint.saver import Saver
from nerve_checkpoint.storage import FileStore, open_store, run


def nothing():
    pass


class ClientError(Exception):
    """Shaped like botocore's."""

    def __init__(self, code):
        super().__init__(code)
        self.response = {"Error": {"Code": code}}


ClientError.__module__ = "botocore.exceptions"


class ReadError(Exception):
    """Shaped like urllib3's."""


ReadError.__module__ = "urllib3.exceptions"


class FakeS3:
    """The few calls of a boto3 client that S3Store makes, on a dict."""

    def __init__(self, taken_code="PreconditionFailed"):
        self.objects, self.taken_code = {}, taken_code

    def put_object(self, Bucket, Key, Body, IfNoneMatch, ContentType):
        assert IfNoneMatch == "*"
        if Key in self.objects:
            raise ClientError(self.taken_code)
        self.objects[Key] = Body

    def get_object(self, Bucket, Key):
        if Key not in self.objects:
            raise ClientError("NoSuchKey")
        return {"Body": io.BytesIO(self.objects[Key]), "ContentLength": len(self.objects[Key])}

    def head_object(self, Bucket, Key):
        return {"ContentLength": len(self.objects[Key])}

    def upload_fileobj(self, file, bucket, key, Callback):
        Callback(1)
        self.objects[key] = file.read()

    def download_fileobj(self, bucket, key, file):
        if key not in self.objects:
            raise ClientError("404")
        file.write(self.objects[key])

    def delete_objects(self, Bucket, Delete):
        for item in Delete["Objects"]:
            del self.objects[item["Key"]]

    def get_paginator(self, name):
        assert name == "list_objects_v2"
        return self

    def paginate(self, Bucket, Prefix, Delimiter=None):
        keys = sorted(key for key in self.objects if key.startswith(Prefix))
        if Delimiter is None:
            yield {"Contents": [{"Key": key} for key in keys]}
            return
        files = [key for key in keys if "/" not in key[len(Prefix) :]]
        folders = sorted({Prefix + key[len(Prefix) :].split("/")[0] + "/" for key in keys if key not in files})
        for key in files:
            yield {"Contents": [{"Key": key}]}
        yield {"CommonPrefixes": [{"Prefix": folder} for folder in folders]}


class Contract:
    """What every store must do; run on each below."""

    def test_a_name_is_created_once_with_its_whole_content(self):
        self.assertTrue(run(self.store.create("seal/0000000001.json", b"first")))
        self.assertFalse(run(self.store.create("seal/0000000001.json", b"second")))
        self.assertEqual(self.store.read("seal/0000000001.json", 100), b"first")
        self.assertEqual(self.store.names("seal"), ["0000000001.json"])

    def test_what_is_not_there_is_none(self):
        self.assertEqual(self.store.names("seal"), [])
        self.assertIsNone(self.store.read("seal/0000000001.json", 100))
        self.assertIsNone(self.store.open("data/a/b"))
        self.store.delete_folder("data/a")

    def test_data_is_written_read_and_deleted(self):
        written = self.store.write("data/one/x.bin", lambda out: (out.write(b"ab"), out.write(b"c")), nothing)
        self.store.write("data/two/x.bin", lambda out: out.write(b"2"), nothing)
        self.assertEqual((written.bytes, written.sha256[:8]), (3, "ba7816bf"))
        with self.store.open("data/one/x.bin") as file:
            self.assertEqual(file.read(), b"abc")
        self.assertEqual(sorted(self.store.names("data")), ["one", "two"])
        self.store.delete_folder("data/one")
        self.assertEqual(self.store.names("data"), ["two"])

    def test_a_save_given_up_leaves_nothing_under_its_name(self):
        def cancel():
            raise Cancelled()

        with self.assertRaises(Cancelled):
            self.store.write("data/one/x.bin", lambda out: out.write(b"ab"), cancel)
        self.assertIsNone(self.store.open("data/one/x.bin"))

    def test_the_newest_two_and_the_last_final_checkpoint_are_kept(self):
        log = SealLog(self.store)
        holder = run(log.take_epoch("j", 1, lambda _: True))
        saver = Saver(self.store, log, holder, None)
        self.store.write("data/a1-e0-s9-00000000/orphan", lambda out: out.write(b"1"), nothing)
        self.store.write("data/a2-e0-s9-00000000/newer-attempt", lambda out: out.write(b"1"), nothing)
        self.store.write("data/a0-e0-s9-00000000/older-attempt", lambda out: out.write(b"1"), nothing)
        self.store.write("data/mine/foreign", lambda out: out.write(b"1"), nothing)
        for step in range(1, 6):
            saver.tidy(saver.save(Snapshot([step]), step, "test", step == 2, False, 0.0))
        steps = sorted(entry.step for entry in log.checkpoints if self.store.names(entry.data))
        self.assertEqual(steps, [2, 4, 5])
        self.assertEqual([name for name in sorted(self.store.names("data")) if "-e2-" not in name and "-e1-" not in name], ["a0-e0-s9-00000000", "a2-e0-s9-00000000", "mine"])
        self.assertEqual(len(self.store.names("seal")), 6)

    def test_nothing_is_deleted_unless_the_newer_seal_reads_back(self):
        log = SealLog(self.store)
        saver = Saver(self.store, log, run(log.take_epoch("j", 1, lambda _: True)), None)
        for step in range(1, 4):
            last = saver.save(Snapshot([step]), step, "test", False, False, 0.0)
        with mock.patch.object(self.store, "read", return_value=b"{}"):
            saver.tidy(last)
        self.assertEqual(len(self.store.names("data")), 3)


class Folder(Contract, unittest.TestCase):
    def setUp(self):
        base = tempfile.mkdtemp(prefix="nerve-storage-")
        self.addCleanup(shutil.rmtree, base)
        self.base = base
        self.store = open_store(f"file://{base}/a%20folder")

    def test_the_uri_names_the_folder(self):
        self.assertEqual(self.store.place, self.base + "/a folder")
        for bad in ["file://host/x", "file:relative", "ftp://x/y"]:
            with self.subTest(bad), self.assertRaises(CheckpointError):
                open_store(bad)

    def test_links_are_not_followed(self):
        secret = os.path.join(self.base, "secret")
        with open(secret, "wb") as file:
            file.write(b"secret")
        self.store.write("data/one/x.bin", lambda out: out.write(b"x"), nothing)
        os.symlink(secret, os.path.join(self.store.place, "data/one/link"))
        os.symlink(os.path.join(self.store.place, "data/one"), os.path.join(self.store.place, "data/two"))
        os.mkfifo(os.path.join(self.store.place, "data/one/fifo"))
        for name in ["data/one/link", "data/two/x.bin", "data/one/fifo"]:
            with self.subTest(name):
                self.assertIsNone(self.store.open(name))

    def test_a_full_disk_says_so_and_leaves_nothing(self):
        log = SealLog(self.store)
        saver = Saver(self.store, log, run(log.take_epoch("j", 1, lambda _: True)), None)
        before = tree(self.base)
        with mock.patch.object(os, "fsync", side_effect=OSError(errno.ENOSPC, "No space left on device")):
            with self.assertRaisesRegex(StorageError, "is full.*Free some space"):
                saver.save(Snapshot([1]), 1, "test", False, False, 0.0)
        self.assertEqual(tree(self.base), before)
        self.assertEqual(self.store.names("data"), [])

    def small_disk(self, capacity):
        """A disk that takes so many bytes of files."""
        real = storage._sync

        def sync(file):
            file.flush()
            if sum(len(data) for data in tree(self.base).values()) > capacity:
                raise OSError(errno.ENOSPC, "No space left on device")
            real(file)

        return mock.patch.object(storage, "_sync", sync)

    def test_a_disk_full_of_useless_data_is_tidied_and_the_save_tried_once_more(self):
        whole = bytes(10_000)
        for attempt in (1, 2):  # each seals twice and dies in the middle of its third save
            log = SealLog(self.store)
            holder = run(log.take_epoch("j", attempt, lambda _: True))
            for step in (1, 2):
                Saver(self.store, log, holder, None).save(Snapshot(whole), step, "test", False, False, 0.0)
            self.store.write(f"data/a{attempt}-e{holder.epoch}-s3-deadbeef/state.json", lambda out: out.write(whole), nothing)
        log = SealLog(self.store)
        saver = Saver(self.store, log, run(log.take_epoch("j", 2, lambda _: True)), None)
        with self.small_disk(60_000 + 12_000):
            self.assertEqual(saver.save(Snapshot(whole), 4, "test", False, False, 0.0).step, 4)
            self.assertEqual(sorted(self.store.names("data"))[0][:2], "a1")  # an older attempt may be alive for ten minutes
            self.assertEqual(len(self.store.names("data")), 4)  # that one's, the newest two of before, and this
            self.assertEqual(saver.save(Snapshot(whole), 5, "test", False, False, 0.0).step, 5)
        with self.small_disk(0), self.assertRaisesRegex(StorageError, "is full"):
            saver.save(Snapshot(whole), 6, "test", False, False, 0.0)
        self.assertIsNotNone(load_newest(self.store, log)[0])

    def test_a_disk_with_no_room_for_the_seal_is_tidied_too(self):
        log = SealLog(self.store)
        saver = Saver(self.store, log, run(log.take_epoch("j", 1, lambda _: True)), None)
        for step in (1, 2, 3):
            saver.save(Snapshot(bytes(10_000)), step, "test", False, False, 0.0)
        used = sum(len(data) for data in tree(self.base).values())
        with self.small_disk(used + 10_000 + 100):
            data = saver.write(Snapshot(bytes(9_900)), 4)
            self.assertEqual(saver.seal(data, 4, "test", False, False, 0.0).number, 5)

    def test_an_unusable_folder_says_so(self):
        with open(os.path.join(self.base, "file"), "wb"):
            pass
        with self.assertRaisesRegex(StorageError, "cannot be used.*this user can write"):
            run(FileStore(os.path.join(self.base, "file", "below")).create("seal/0000000001.json", b""))

    def test_a_file_system_without_hard_links_says_so(self):
        with mock.patch.object(os, "link", side_effect=OSError(errno.EPERM, "Operation not permitted")), self.assertRaisesRegex(StorageError, "no hard links"):
            run(self.store.create("seal/0000000001.json", b""))


class Bucket(Contract, unittest.TestCase):
    def setUp(self):
        self.store = S3Store("bucket", "some/prefix", FakeS3())

    def test_a_race_answered_with_409_is_a_taken_name(self):
        store = S3Store("bucket", "", FakeS3("ConditionalRequestConflict"))
        self.assertTrue(run(store.create("seal/0000000001.json", b"1")))
        self.assertFalse(run(store.create("seal/0000000001.json", b"2")))

    def test_an_own_write_whose_answer_was_lost_counts_as_written(self):
        class Retried(FakeS3):
            def put_object(self, **ask):
                super().put_object(**ask)
                super().put_object(**ask)  # as botocore does when the first answer never came

        log = SealLog(S3Store("bucket", "p", Retried()))
        self.assertEqual(run(log.take_epoch("j", 1, lambda _: True)).epoch, 1)
        self.assertEqual(len(log.entries), 1)

    def test_a_service_that_ignores_the_condition_is_refused(self):
        class Overwriting(FakeS3):
            def put_object(self, Key, **ask):
                self.objects[Key] = ask["Body"]

        with self.assertRaisesRegex(CheckpointError, "ignores If-None-Match"):
            run(S3Store("bucket", "p", Overwriting()).create("seal/0000000001.json", b"1"))

    def test_a_long_log_is_read_by_several_at_once(self):
        log = SealLog(self.store)
        run(log.take_epoch("j", 1, lambda _: True))
        for _ in range(7):
            run(log.take_epoch("j", 1, lambda _: True))
        pairs = threading.Barrier(2, timeout=5)
        real = self.store._client.get_object
        again = SealLog(self.store)
        with mock.patch.object(self.store._client, "get_object", lambda **ask: (pairs.wait(), real(**ask))[1]):
            run(again.refresh())
        self.assertEqual(again.entries, log.entries)

    def broken_reads(self, *bodies):
        """Answers of `get_object` whose connections break: bytes are all that arrives, an exception is raised by the read."""
        left = list(bodies)
        real = self.store._client.get_object

        def get_object(**ask):
            answer = real(**ask)
            if left:
                broken = left.pop(0)
                answer["Body"] = io.BytesIO(broken) if isinstance(broken, bytes) else mock.Mock(read=mock.Mock(side_effect=broken))
            return answer

        return mock.patch.object(self.store._client, "get_object", get_object)

    def test_a_body_cut_short_is_read_again_and_never_taken_as_whole(self):
        run(self.store.create("seal/0000000001.json", b"0123456789"))
        broken = http.client.IncompleteRead(b"01")
        with self.broken_reads(b"01", broken):
            self.assertEqual(self.store.read("seal/0000000001.json", 100), b"0123456789")
        with self.broken_reads(b"0123"):
            self.assertEqual(self.store.read("seal/0000000001.json", 3), b"0123")
        for body in (b"01", broken, ReadError("reset")):
            with self.subTest(body), self.broken_reads(*[body] * 9), self.assertRaisesRegex(StorageError, "cannot read a checkpoint"):
                self.store.read("seal/0000000001.json", 100)

    def test_a_full_folder_for_temporary_files_is_a_storage_error(self):
        def full(out):
            raise OSError(errno.ENOSPC, "No space left on device")

        with self.assertRaisesRegex(StorageError, "is full"):
            self.store.write("data/one/x.bin", full, nothing)

    def test_other_errors_say_what_to_check(self):
        with mock.patch.object(FakeS3, "get_object", side_effect=ClientError("AccessDenied")), self.assertRaisesRegex(StorageError, "s3:GetObject"):
            self.store.read("seal/0000000001.json", 10)


@unittest.skipUnless(importlib.util.find_spec("boto3"), "boto3 is not installed")
class Patience(unittest.TestCase):
    """No call to S3 may hang for longer than a notice lasts."""

    def settings(self, **env):
        here = {"AWS_DEFAULT_REGION": "us-east-1", "AWS_CONFIG_FILE": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true", **env}
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        with mock.patch.dict(os.environ, {**clean, **here}, clear=True), mock.patch("boto3.DEFAULT_SESSION", None):
            return open_store("s3://bucket/p")._client.meta.config

    def test_a_call_that_hangs_is_tried_again_soon(self):
        config = self.settings()
        self.assertEqual((config.connect_timeout, config.read_timeout), (5, 15))
        self.assertEqual(config.retries, {"mode": "standard", "total_max_attempts": 6})

    def test_what_the_environment_says_is_kept(self):
        config = self.settings(AWS_MAX_ATTEMPTS="9", AWS_RETRY_MODE="adaptive")
        self.assertEqual(config.retries, {"mode": "adaptive", "total_max_attempts": 9})

    def test_what_the_users_configuration_says_is_kept(self):
        with tempfile.NamedTemporaryFile("w", suffix=".ini") as file:
            file.write("[default]\nmax_attempts = 7\n")
            file.flush()
            self.assertEqual(self.settings(AWS_CONFIG_FILE=file.name).retries, {"mode": "standard", "total_max_attempts": 7})


@needs_s3
class RealBucket(Contract, unittest.TestCase):
    WRITERS, NUMBERS = 8, 12

    @classmethod
    def setUpClass(cls):
        import boto3

        cls.client = boto3.client("s3")  # one for all: making one takes longer than a test. Each thread gets a connection of its own.
        cls.bucket = REAL_S3.split("/")[2]

    def setUp(self):
        self.prefix = uuid.uuid4().hex
        self.store = self.another_store()

    def another_store(self):
        return S3Store(self.bucket, self.prefix, self.client)

    def test_of_eight_writers_at_once_exactly_one_gets_each_number(self):
        winners = self.race(lambda store, name, data: run(store.create(name, data)))
        self.assertEqual([len(won) for won in winners], [1] * self.NUMBERS)
        self.assertEqual([self.store.read(f"seal/{n:010d}.json", 100) for n in range(self.NUMBERS)], [won[0] for won in winners])

    def test_a_planted_check_then_write_is_found_by_the_same_race(self):
        def check_then_write(store, name, data):
            if store.read(name, 100) is not None:
                return False
            store.write(name, lambda out: out.write(data), nothing)
            return True

        self.assertTrue(any(len(won) > 1 for won in self.race(check_then_write)))

    def race(self, create):
        """What the winners of each number wrote, with all writers let go at it at the same moment."""
        winners = [[] for _ in range(self.NUMBERS)]
        line = threading.Barrier(self.WRITERS, timeout=60)

        def writer(store, who):
            for number, won in enumerate(winners):
                data = b"writer %d" % who
                line.wait()
                if create(store, f"seal/{number:010d}.json", data):
                    won.append(data)

        with ThreadPoolExecutor(self.WRITERS) as pool:
            for done in [pool.submit(writer, self.another_store(), who) for who in range(self.WRITERS)]:
                done.result()
        return winners

    def test_eight_attempts_that_resume_at_once_get_numbers_of_their_own(self):
        with ThreadPoolExecutor(8) as pool:
            logs = [SealLog(self.another_store()) for _ in range(8)]
            holders = list(pool.map(lambda log: run(log.take_epoch("j", 1, lambda _: True)), logs))
        self.assertEqual(sorted(holder.epoch for holder in holders), list(range(1, 9)))
        self.assertEqual(sorted(self.store.names("seal")), [f"{n:010d}.json" for n in range(1, 9)])
        newest = max(holders, key=lambda holder: holder.epoch)
        for log, holder in zip(logs, holders):
            run(log.refresh())
            if holder is newest:
                check_fence(log, holder)
            else:
                self.assertRaises(Superseded, check_fence, log, holder)

    def test_settings_that_boto3_does_not_take_are_said(self):
        with mock.patch.dict(os.environ, {"AWS_ENDPOINT_URL": "not a url"}), self.assertRaisesRegex(CheckpointError, "not a url.*AWS_ENDPOINT_URL"):
            open_store(REAL_S3)

    def test_wrong_keys_and_a_missing_bucket_say_what_to_check(self):
        import boto3

        stranger = boto3.client("s3", aws_access_key_id="wrong", aws_secret_access_key="wrong")
        for store in [S3Store("no-such-bucket", "p", self.client), S3Store(self.bucket, "p", stranger)]:
            with self.assertRaisesRegex(StorageError, "Check the bucket, the credentials"):
                run(store.create("seal/0000000001.json", b"1"))
            with self.assertRaisesRegex(StorageError, "Check the bucket, the credentials"):
                store.names("seal")


if __name__ == "__main__":
    unittest.main()
