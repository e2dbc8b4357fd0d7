"""The hook on the wire: who may call it, and what each answer means. The training loop is played by the test."""

import http.client
import json
import socket
import threading
import time
import unittest
from unittest import mock

from support import TOKEN, call, free_port, instant

from nerve_checkpoint import hook
from nerve_checkpoint.desk import Desk, Resumed, Seal
from nerve_checkpoint.errors import CheckpointError, StorageError
from nerve_checkpoint.hook import HookServer

SEAL = Seal(3, 40, 1000, 12, False)
FINAL = Seal(4, 41, 1000, 12, True)


class Hook(unittest.TestCase):
    def setUp(self):
        self.port = free_port()
        self.desk = Desk(100)
        server = HookServer("127.0.0.1", self.port, TOKEN, self.desk)
        self.addCleanup(server.close)

    def resume(self):
        self.desk.resume_at(Resumed(7, 5, "0000000002"))

    def serve(self, wish, act):
        """A training loop that waits for a wish and then does `act`."""

        def loop():
            while self.desk.want != wish:
                time.sleep(0.005)
            act(time.monotonic())

        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        self.addCleanup(thread.join, 5)

    def checkpoint(self, reason, deadline=None):
        return call(self.port, "/v1/checkpoint", {"reason": reason, "deadline": deadline})

    def test_a_call_without_the_token_is_refused(self):
        for token in [None, "", "wrong", TOKEN + "x", "é"]:
            with self.subTest(token):
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                headers = {} if token is None else {"Authorization": f"Bearer {token}".encode()}
                connection.request("POST", "/v1/checkpoint", json.dumps({"reason": "pause"}), headers)
                answer = connection.getresponse()
                self.assertEqual(answer.status, 401)
                self.assertEqual(json.loads(answer.read())["error"]["code"], "unauthorized")
                connection.close()
        self.assertIsNone(self.desk.want)

    def test_progress_has_every_field_before_and_after_the_resume_point(self):
        empty = {"step": 0, "totalSteps": 100, "stepsPerSecond": None, "resumed": None, "lastCheckpoint": None}
        self.assertEqual(call(self.port, "/v1/progress"), (200, empty))
        self.resume()
        self.desk.at_step(8, 100.0)
        self.desk.at_step(18, 105.0)
        self.desk.sealed(SEAL, time.monotonic() - 20, forced=False, closes=False)
        answer = call(self.port, "/v1/progress")[1]
        self.assertLess(answer["resumed"].pop("ageSeconds"), 10)
        self.assertGreaterEqual(answer["lastCheckpoint"].pop("ageSeconds"), 20)
        self.assertEqual(answer, {
            "step": 18, "totalSteps": 100, "stepsPerSecond": 2.0, "resumed": {"step": 7, "epoch": 5, "checkpointId": "0000000002"},
            "lastCheckpoint": {"id": "0000000003", "step": 40, "bytes": 1000, "durationMs": 12, "final": False},
        })

    def test_an_attempt_not_past_its_resume_point_answers_409(self):
        status, body = self.checkpoint("interruption", instant(5))
        self.assertEqual((status, body["error"]["code"]), (409, "not-resumed"))
        self.assertEqual(set(body["error"]), {"code", "what", "why", "next"})

    def test_requests_that_make_no_sense_answer_400_or_404(self):
        self.resume()
        for body in [{}, {"reason": "party"}, {"reason": "pause", "deadline": "soon"}, {"reason": "pause", "deadline": 5}, [], "x", {"reason": ["pause"]}]:
            with self.subTest(body=body):
                self.assertEqual(call(self.port, "/v1/checkpoint", body)[0], 400)
        self.assertEqual(call(self.port, "/v1/checkpoint", {"reason": "x" * 70_000})[0], 400)
        self.assertEqual(call(self.port, "/v1/checkpoint")[0], 404)
        self.assertEqual(call(self.port, "/v2", {"reason": "pause"})[0], 404)

    def test_a_final_request_is_answered_once_sealed_and_again_with_the_same_seal(self):
        self.resume()
        self.serve("final", lambda now: self.desk.sealed(FINAL, now, forced=False, closes=True))
        expected = (200, {"id": "0000000004", "step": 41, "bytes": 1000, "durationMs": 12})
        self.assertEqual(self.checkpoint("interruption", instant(20)), expected)
        for reason in ["interruption", "move", "pause", "rebalance"]:
            self.assertEqual(self.checkpoint(reason), expected)

    def test_a_second_forced_save_within_30_seconds_answers_with_the_last_seal(self):
        self.resume()
        self.serve("forced", lambda now: self.desk.sealed(SEAL, now, forced=True, closes=False))
        first = self.checkpoint("periodic")
        self.assertEqual(first[0], 200)
        self.assertEqual(self.checkpoint("drill"), first)
        self.assertIsNone(self.desk.want)

    def test_a_final_request_is_never_put_off_by_that_limit(self):
        self.test_a_second_forced_save_within_30_seconds_answers_with_the_last_seal()
        self.serve("final", lambda now: self.desk.sealed(FINAL, now, forced=False, closes=True))
        self.assertEqual(self.checkpoint("move", instant(20))[1]["id"], "0000000004")

    def test_a_full_folder_answers_507_and_a_fault_of_the_state_500(self):
        self.resume()
        for error, status in [(StorageError("cannot write", "it is full", "Free space"), 507), (CheckpointError("cannot save", "a set", "Use a list"), 500)]:
            with self.subTest(status):
                self.serve("final", lambda now, error=error: self.desk.failed(error, now))
                answer = self.checkpoint("interruption", instant(20))
                self.assertEqual((answer[0], answer[1]["error"]["why"]), (status, error.why))

    def ask_beside(self, reason):
        """Asks from another thread, waits until the wish is there, and answers a function that waits for the outcome."""
        answers = []
        before = self.desk._wished_at
        thread = threading.Thread(target=lambda: answers.append(self.checkpoint(reason, instant(10))), daemon=True)
        thread.start()
        while self.desk._wished_at == before:
            time.sleep(0.002)
        return lambda: (thread.join(10), answers[0])[1]

    def test_an_older_save_that_fails_takes_no_newer_wish_with_it(self):
        self.resume()
        for reason, wish in [("interruption", "final"), ("periodic", "forced")]:
            with self.subTest(reason):
                taken = time.monotonic()
                answer = self.ask_beside(reason)
                self.desk.failed(StorageError("cannot write", "it is full", "Free space"), taken)
                self.assertEqual(self.desk.want, wish)
                self.desk.failed(CheckpointError("cannot save", "a set", "Use a list"), time.monotonic())
                self.assertEqual((answer()[0], self.desk.want), (500, None))

    def test_who_asks_while_a_forced_save_is_written_is_answered_by_it(self):
        self.resume()
        first = self.ask_beside("rebalance")
        taken = time.monotonic()
        second = self.ask_beside("drill")
        self.desk.sealed(SEAL, taken, forced=True, closes=False)
        self.assertEqual((second(), self.desk.want), (first(), None))

    def test_a_save_that_ends_after_a_newer_one_changes_nothing(self):
        self.resume()
        taken = time.monotonic()
        self.desk.sealed(FINAL, time.monotonic(), forced=False, closes=True)
        self.desk.sealed(SEAL, taken, forced=True, closes=False)
        self.assertEqual(call(self.port, "/v1/progress")[1]["lastCheckpoint"]["step"], FINAL.step)
        self.assertEqual(self.checkpoint("move")[1]["step"], FINAL.step)

    def test_no_step_boundary_by_the_deadline_answers_503_and_the_wish_stands(self):
        self.resume()
        began = time.monotonic()
        status, body = self.checkpoint("interruption", instant(-100))
        self.assertEqual((status, body["error"]["code"]), (503, "no-step-boundary"))
        self.assertLess(time.monotonic() - began, 5)
        self.assertEqual(self.desk.want, "final")

    def connect(self, data=b"G"):
        connection = socket.create_connection(("127.0.0.1", self.port), 5)
        self.addCleanup(connection.close)
        connection.sendall(data)
        return connection

    def handlers(self):
        return sum("process_request_thread" in thread.name for thread in threading.enumerate())

    def test_a_flood_of_slow_callers_takes_few_connections_and_keeps_nobody_out(self):
        self.resume()
        with mock.patch.object(hook, "MAX_CONNECTIONS", 4):
            asking = []
            self.addCleanup(lambda: [wait() for wait in asking])
            asking.append(self.ask_beside("interruption"))
            for _ in range(20):
                self.connect()
            self.assertEqual(call(self.port, "/v1/progress")[0], 200)
            self.assertLessEqual(self.handlers(), 6)  # one or two may just be ending
            self.desk.sealed(FINAL, time.monotonic(), forced=False, closes=True)
            self.assertEqual(asking[0]()[0], 200)

    def test_more_callers_that_wait_for_a_save_than_there_may_be_are_hung_up_on(self):
        self.resume()
        with mock.patch.object(hook, "MAX_CONNECTIONS", 2):
            waiting = [self.ask_beside("interruption"), self.ask_beside("move")]
            with self.assertRaises(OSError):
                call(self.port, "/v1/progress")
            self.desk.sealed(FINAL, time.monotonic(), forced=False, closes=True)
            self.assertEqual([wait()[0] for wait in waiting], [200, 200])
        self.assertEqual(call(self.port, "/v1/progress")[0], 200)

    def test_a_caller_that_sends_a_byte_now_and_then_is_hung_up_on(self):
        with mock.patch.object(hook, "READ_SECONDS", 0.3):
            slow = self.connect()
            slow.settimeout(0.1)
            end = time.monotonic() + 5
            while time.monotonic() < end:
                try:
                    slow.sendall(b"x")
                    if slow.recv(1) == b"":
                        return
                except socket.timeout:
                    pass
                except OSError:
                    return
        self.fail("it is still listened to")

    def test_a_taken_port_is_tried_again(self):
        port = free_port()
        first = HookServer("127.0.0.1", port, TOKEN, Desk(1))
        second = HookServer("127.0.0.1", port, TOKEN, Desk(2))
        self.addCleanup(second.close)
        self.assertEqual(call(port, "/v1/progress")[1]["totalSteps"], 1)
        first.close()
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                if call(port, "/v1/progress")[1]["totalSteps"] == 2:
                    return
            except OSError:
                time.sleep(0.05)
        self.fail("the second server never came up")


if __name__ == "__main__":
    unittest.main()
