"""A collection is green once, when all is done that its rows ask for: who waits for it must not see a pause as the end."""
import time

import numpy as np
from qdrant_client import models


def test_green_is_the_end(server):
    c, rng = server.client(), np.random.default_rng(3)
    c.delete_collection("steps")
    c.create_collection("steps", vectors_config=models.VectorParams(size=96, distance=models.Distance.COSINE))
    for at in range(0, 60000, 2000):
        c.upload_collection("steps", vectors=rng.standard_normal((2000, 96)).astype(np.float32), ids=range(at, at + 2000),
                            batch_size=2000, wait=True)
    for _ in range(6000):
        if c.get_collection("steps").status == "green":
            break
        time.sleep(0.01)
    first = c.get_collection("steps")
    time.sleep(2)
    later = c.get_collection("steps")
    assert (first.status, later.status) == ("green", "green") and first.segments_count == later.segments_count
    assert later.indexed_vectors_count - first.indexed_vectors_count < 64  # so few wait for more, and are scanned
    c.delete_collection("steps")
