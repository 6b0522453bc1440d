"""Arrays that are cut from one piece of memory: each its own, each at the beginning of a line."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reference_impls.fast.large_pages import LINE, PIECE, LargePages

SHAPES = st.lists(st.lists(st.integers(0, 40), max_size=3).map(tuple), min_size=1, max_size=8)


@given(SHAPES, st.sampled_from(["float64", "float32", "bool"]))
def test_arrays_have_their_shape_and_share_nothing(shapes: list[tuple[int, ...]], dtype: str) -> None:
    pages = LargePages()
    arrays = [pages.empty(shape, np.dtype(dtype)) for shape in shapes]
    for i, array in enumerate(arrays):
        array.fill(i % 2 if dtype == "bool" else i)
    for i, (shape, array) in enumerate(zip(shapes, arrays, strict=True)):
        assert (array.shape, array.dtype) == (shape, np.dtype(dtype))
        assert array.size == 0 or array.ctypes.data % LINE == 0
        assert array.flags.c_contiguous
        np.testing.assert_array_equal(array, np.full(shape, i % 2 if dtype == "bool" else i, dtype))


def test_what_does_not_fit_into_a_piece_gets_one_of_its_own() -> None:
    pages = LargePages()
    arrays = [pages.empty((PIECE // 8 + extra,), np.dtype(np.float64)) for extra in (-1, 1, 0)]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])


def test_small_arrays_come_from_one_piece_that_numpy_gives_large_pages() -> None:
    pages = LargePages()
    one, other = (pages.empty((100,), np.dtype(np.float32)) for _ in range(2))
    assert other.ctypes.data - one.ctypes.data == 448  # 400 bytes, in whole lines
    piece = one.base
    while isinstance(piece.base, np.ndarray):
        piece = piece.base
    assert piece.nbytes >= 4 * 2**20  # from where on NumPy asks for them
