"""Augmented adversarial poisoning: Wang et al., NeurIPS 2024, arXiv 2402.04010.

"Efficient Availability Attacks against Supervised and Contrastive Learning Simultaneously":
targeted poisoning through augmentations as strong as those of contrastive learning, in the
surrogate's training and in every step, so that self-supervised learners are misled as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from unlearnable.methods.surrogate import Presets
from unlearnable.methods.tap import TargetedPoisons


@dataclass(frozen=True)
class AugmentedPoisons(TargetedPoisons):
    """Augmented adversarial poisoning (Wang et al., NeurIPS 2024), ε 8.

    Cost: the surrogate's training on clean images, 15 epochs, and 60 steps an image. The quick
    settings take 60 larger steps in place of 250, against a surrogate trained for 15 epochs in
    place of 40.

    Example:
        >>> AugmentedPoisons().augmentations
        'contrastive:80'
    """

    source: ClassVar[str] = "Wang et al., NeurIPS 2024"
    PRESETS: ClassVar[Presets] = {
        "quick": {
            "epochs": 15,
            "trained_through": "contrastive:40",
            "step": 0.05,
            "steps": 60,
            "restarts": 1,
            "augmentations": "contrastive:80",
        },
        "paper": {
            "epochs": 40,
            "trained_through": "contrastive:40",
            "step": 0.01,
            "steps": 250,
            "restarts": 1,
            "augmentations": "contrastive:80",
        },
    }
