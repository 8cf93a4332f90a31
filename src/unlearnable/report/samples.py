"""What a report shows of the images, kept in the run's folder: some pairs, and the spectrum."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unlearnable.data.imageset import ImageSet
from unlearnable.data.quality import psnr, ssim
from unlearnable.storage import open_new, replacing

SAMPLES = "samples.npz"
SHOWN = 8  # pairs
COUNTED = 500  # images of which the spectrum is the mean
FAINT = 1e-3  # added to a power before its logarithm, in squared levels


def keep_samples(run: Path, clean: ImageSet, protected: ImageSet) -> None:
    """Write `samples.npz`, readable by its owner only.

    It holds `clean` and `protected`, uint8 (n, H, W, C), the first image of each of some classes;
    their `names`, `psnr` in dB and `ssim`; and the `spectrum` of the noise, float32 (H, W): the
    mean over images and channels of the log10 of its power, the lowest frequency in the middle.
    """
    firsts = np.unique(clean.labels, return_index=True)[1]
    rows = np.sort(firsts)[:SHOWN]
    pairs = list(zip(clean.images[rows], protected.images[rows], strict=True))
    with (
        replacing(run / SAMPLES, private=True) as unfinished,
        open_new(unfinished, private=True) as file,
    ):
        np.savez_compressed(
            file,
            clean=clean.images[rows],
            protected=protected.images[rows],
            names=np.array([clean.names[row] for row in rows]),
            psnr=np.array([psnr(a, b) for a, b in pairs]),
            ssim=np.array([ssim(a, b) for a, b in pairs]),
            spectrum=spectrum(clean.images[:COUNTED], protected.images[:COUNTED]),
        )


def spectrum(clean: NDArray[np.uint8], protected: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The mean log10 power of the change from one to the other, (H, W), centred."""
    change = protected.astype(np.float32) - clean
    power = np.abs(np.fft.fft2(change, axes=(1, 2))) ** 2 / change[0, :, :, 0].size
    mean = np.log10(power + FAINT).mean((0, 3))
    return np.fft.fftshift(mean).astype(np.float32)
