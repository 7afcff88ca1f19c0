"""Reference captions as word ids, checked."""

from __future__ import annotations

from gegcore.errors import DataError
from gegcore.materials import Materials


def reference_ids(materials: Materials, split: str) -> list[list[list[int]]]:
    """Reference captions of a split as word ids, one list an image.

    Raises:
        DataError: an image without captions, or a caption of unknown words only.
    """
    vocabulary, encoded = materials.vocabulary, []
    for record in materials.data[split].records:
        ids = [vocabulary.encode(caption) for caption in record.captions]
        for caption, words in zip(record.captions, ids, strict=True):
            if all(word == vocabulary.unknown_id for word in words):
                raise DataError(
                    f"caption {caption!r} of {split} image {record.image_id} has no known word",
                    "drop the caption, or lower min_count in the profile",
                )
        if not ids:
            raise DataError(
                f"{split} image {record.image_id} has no caption", "give one, or drop the image"
            )
        encoded.append(ids)
    return encoded
