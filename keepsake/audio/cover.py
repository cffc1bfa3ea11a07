"""A square cover picture for what a family listens to: a pattern of its own, drawn from its name.

No picture of anyone is needed, and no font.
"""

import hashlib
from fractions import Fraction
from functools import lru_cache

import av
import numpy as np

CELLS = 5  # across and down; the right half mirrors the left
PIXELS = 600  # across and down; players show it in the size of a thumb
LARGE = 1500  # what directories of podcasts ask for: 1400 to 3000


@lru_cache(maxsize=64)
def cover(name: str, pixels: int = PIXELS) -> bytes:
    """A PNG (RGB) of `pixels` by `pixels`, a multiple of 5: the same for the same name."""
    digest = hashlib.sha256(name.encode()).digest()
    # A dark ground and a light figure, so that the pattern shows whatever the digest says.
    ground, figure = (np.array([part // 3 + base for part in digest[at : at + 3]], np.uint8)
                      for at, base in ((0, 20), (3, 160)))  # fmt: skip
    half = np.array([byte % 2 for byte in digest[6 : 6 + CELLS * 3]], bool).reshape(CELLS, 3)
    half[CELLS // 2, 2] = True  # never empty
    cells = np.concatenate((half, half[:, 1::-1]), axis=1)
    drawn = np.kron(cells, np.ones((pixels // CELLS, pixels // CELLS), bool))[..., np.newaxis]
    picture = np.ascontiguousarray(np.where(drawn, figure, ground))
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height = picture.shape[1], picture.shape[0]
    encoder.pix_fmt, encoder.time_base = "rgb24", Fraction(1)
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    return b"".join(bytes(packet) for packet in (*encoder.encode(frame), *encoder.encode(None)))
