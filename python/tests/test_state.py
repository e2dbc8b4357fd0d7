"""What goes into a checkpoint comes out again, exactly; what cannot is refused with a way out."""

import array
import io
import math
import random
import unittest
import warnings
from collections import Counter, OrderedDict, defaultdict

from support import HashingWriter, needs_numpy, needs_torch

from nerve_checkpoint.codec import Snapshot, decode
from nerve_checkpoint.errors import CheckpointError
from nerve_checkpoint.state import State


def files_of(tree):
    files = {}
    for name, fill in Snapshot(tree).files():
        target = io.BytesIO()
        HashingWriter(target, lambda: None).fill(fill)
        files[name] = target.getvalue()
    return files


def through(tree):
    files = files_of(tree)
    return decode(lambda name: io.BytesIO(files[name]), list(files))


class Codec(unittest.TestCase):
    def test_plain_values_come_back_with_their_types(self):
        ordered = OrderedDict(b=1, a=2)
        ordered._metadata = {"": {"version": 2}}
        for value in [
            None, True, 0, -0.0, 0.1 + 0.2, 1 << 200, "é\u2028", [], {}, (1, (2,)), b"\x00\xff", bytearray(b"x"), {1: "a", "b": 2, (3, 4): 5},
            {"$tensor": "not one"}, ordered, array.array("d", [math.pi, -0.0, float("inf")]), array.array("i"),
        ]:
            with self.subTest(value=value):
                back = through(value)
                self.assertEqual(repr(back), repr(value))
                self.assertIs(type(back), type(value))
        self.assertEqual(through(ordered)._metadata, {"": {"version": 2}})
        self.assertTrue(math.isnan(through(float("nan"))))

    def test_dicts_that_count_or_fill_in_come_back_as_such(self):
        counted = through(Counter({3: 1, "x": 2}))
        self.assertEqual((type(counted), list(counted.items()), counted[9]), (Counter, [(3, 1), ("x", 2)], 0))
        for factory in (int, float, str, list, dict, tuple, None):
            back = through(defaultdict(factory, {1: (2,)}))
            self.assertEqual((type(back), back.default_factory, back), (defaultdict, factory, {1: (2,)}))
        with self.assertRaisesRegex(CheckpointError, "state is a defaultdict"):
            Snapshot(defaultdict(lambda: 1))

    def test_a_snapshot_is_a_copy(self):
        live = {"list": [1, [2]], "array": array.array("d", [1.0]), "bytes": bytearray(b"a")}
        snapshot = Snapshot(live)
        live["list"][1].append(3)
        live["array"][0] = 2.0
        live["bytes"][0] = 0
        files = {}
        for name, fill in snapshot.files():
            target = io.BytesIO()
            HashingWriter(target, lambda: None).fill(fill)
            files[name] = target.getvalue()
        back = decode(lambda name: io.BytesIO(files[name]), list(files))
        self.assertEqual(back, {"list": [1, [2]], "array": array.array("d", [1.0]), "bytes": bytearray(b"a")})

    def test_what_cannot_be_saved_is_named(self):
        with self.assertRaisesRegex(CheckpointError, r"state\.model\[1\] is a set.*load_state_dict"):
            Snapshot({"model": [0, {1, 2}]})

    def test_no_file_is_a_pickle(self):
        for data in files_of({"a": array.array("d", [1.0]), "b": (1, 2)}).values():
            self.assertFalse(data.startswith(b"\x80"))


class Module:
    def __init__(self, value):
        self.value = value

    def state_dict(self):
        return {"value": self.value}

    def load_state_dict(self, saved):
        self.value = saved["value"]


class Parts(unittest.TestCase):
    def test_every_kind_of_part_is_put_back_in_place(self):
        def parts(seed):
            cell = [seed]
            return {
                "module": Module(seed), "generator": random.Random(seed), "weights": array.array("d", [seed] * 3), "order": [seed, [seed]],
                "position": {"at": seed, "inner": {"deep": [seed]}}, "pair": (lambda: cell[0], lambda saved: cell.__setitem__(0, saved)),
            }

        old, new = parts(1), parts(2)
        weights, inner = new["weights"], new["position"]["inner"]["deep"]
        random.seed(5)
        saved = through(State(old).capture())
        expected = random.random()
        random.seed(6)
        State(new).restore(saved)
        self.assertEqual(random.random(), expected)
        self.assertEqual(new["module"].value, 1)
        self.assertEqual(new["generator"].random(), random.Random(1).random())
        self.assertEqual(weights, array.array("d", [1] * 3))
        self.assertEqual(new["order"], [1, [1]])
        self.assertEqual(inner, [1])
        self.assertEqual(new["position"]["at"], 1)
        self.assertEqual(new["pair"][0](), 1)

    def test_a_part_that_cannot_be_put_back_is_refused_at_once(self):
        with self.assertRaisesRegex(CheckpointError, "rate is a float.*Put it into a dict"):
            State({"rate": 0.1})

    def test_a_checkpoint_without_a_part_is_refused(self):
        saved = through(State({"a": [1]}).capture())
        with self.assertRaisesRegex(CheckpointError, "has no b"):
            State({"a": [0], "b": [0]}).restore(saved)


@needs_numpy
class NumPy(unittest.TestCase):
    def test_arrays_scalars_and_generators_come_back(self):
        import numpy

        def parts(seed):
            return {"weights": numpy.full((2, 3), seed, dtype="float32"), "rng": numpy.random.default_rng(seed), "more": {"scalar": numpy.float64(seed)}}

        old, new = parts(1), parts(2)
        weights = new["weights"]
        numpy.random.seed(3)
        saved = through(State(old).capture())
        expected = numpy.random.random(), old["rng"].random()
        State(new).restore(saved)
        self.assertEqual((numpy.random.random(), new["rng"].random()), expected)
        self.assertTrue((weights == 1).all())
        self.assertIs(type(new["more"]["scalar"]), numpy.float64)

    def test_objects_and_other_shapes_are_refused(self):
        import numpy

        with self.assertRaises(CheckpointError):
            Snapshot(numpy.array([object()]))
        for value, words in [
            (numpy.zeros(2, dtype=[("a", "i4")]), "fields"), (numpy.zeros(2, dtype=[("a", "i4")])[0], "fields"),
            (numpy.ma.array([1.0, 2.0], mask=[False, True]), "MaskedArray.*numpy.asarray"), (numpy.zeros((1, 1)).view(numpy.recarray), "recarray"),
        ]:
            with self.subTest(value=value), self.assertRaisesRegex(CheckpointError, rf"state\.x is a .*{words}"):
                Snapshot({"x": value})
        for value in [numpy.zeros(2, "M8[ns]"), numpy.arange(3, dtype=">i4"), numpy.array(["ab"])]:
            self.assertEqual((through(value).dtype, through(value).tolist()), (value.dtype, value.tolist()))
        saved = through(State({"w": numpy.zeros(3)}).capture())
        with self.assertRaisesRegex(CheckpointError, "shape"):
            State({"w": numpy.zeros(4)}).restore(saved)


@needs_torch
class Torch(unittest.TestCase):
    def test_tensors_that_would_not_load_again_are_refused(self):
        import torch

        class Own(torch.Tensor):
            pass

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nested tensors are a prototype
            nested = torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)])
        for value, words in [(torch.zeros(3).as_subclass(Own), r"Own.*as_subclass\(torch.Tensor\)"), (nested, "nested.*unbind")]:
            with self.assertRaisesRegex(CheckpointError, rf"state\.x is a .*{words}"):
                Snapshot({"x": value})
        model = torch.nn.Linear(2, 2)
        self.assertTrue(torch.equal(through({"w": model.weight})["w"], model.weight))

    def test_every_schedule_comes_back(self):
        import torch

        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))], lr=0.1)
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 5, 5])
        self.assertEqual(through(schedule.state_dict()), schedule.state_dict())

    def test_a_storage_error_below_torch_save_stays_a_storage_error(self):
        import torch

        class Full(io.BytesIO):
            def write(self, data):
                raise OSError(28, "No space left on device")

        (_, _), (_, fill) = Snapshot({"t": torch.zeros(1000)}).files()
        with self.assertRaises(OSError) as caught:
            HashingWriter(Full(), lambda: None).fill(fill)
        self.assertEqual(caught.exception.errno, 28)


if __name__ == "__main__":
    unittest.main()
