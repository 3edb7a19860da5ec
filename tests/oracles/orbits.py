"""Independent float64 forms of the deviations over an orbit: loops, straight from the formulas."""

import math

import numpy as np


def reference_norm(a):
    """Length of a vector."""
    return math.sqrt(math.fsum(float(x) ** 2 for x in a))


def reference_cosine(a, b):
    """Cosine of two vectors."""
    dot = math.fsum(float(x) * float(y) for x, y in zip(a, b, strict=True))
    return dot / (reference_norm(a) * reference_norm(b))


def reference_centre(vectors):
    """Mean of some vectors, coordinate by coordinate."""
    return [math.fsum(map(float, column)) / len(vectors) for column in zip(*vectors, strict=True)]


def reference_latent_eed(orbits, normalizer, distance):
    """Paper 003, eq. 6, image by image."""
    deviations = []
    for orbit in np.asarray(orbits).tolist():
        centre = reference_centre(orbit)
        if distance == "l2":
            terms = [reference_norm([x - y for x, y in zip(z, centre, strict=True)]) for z in orbit]
        else:
            terms = [-reference_cosine(z, centre) for z in orbit]
        deviations.append(math.fsum(terms) / len(orbit) / normalizer)
    return np.array(deviations)


def reference_latent_normalizer(embeddings, distance):
    """Mean distance (l2) or cosine over the pairs of different images."""
    embeddings = np.asarray(embeddings, dtype=np.float64)
    pairs = [
        reference_norm(a - b) if distance == "l2" else reference_cosine(a, b)
        for i, a in enumerate(embeddings)
        for j, b in enumerate(embeddings)
        if i != j
    ]
    return math.fsum(pairs) / len(pairs)


def reference_softmax(logits):
    """Probabilities of one vector of logits."""
    largest = max(logits)
    powers = [math.exp(x - largest) for x in logits]
    return [power / math.fsum(powers) for power in powers]


def reference_kl(p, q):
    """KL(p || q) in nats; classes of probability 0 add nothing."""
    return math.fsum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)


def reference_softmax_eed(orbits):
    """Paper 003, softmax G-EED, image by image."""
    deviations = []
    for orbit in np.asarray(orbits, dtype=np.float64).tolist():
        centre = reference_centre(orbit)
        deviations.append(math.fsum(reference_kl(p, centre) for p in orbit) / len(orbit))
    return np.array(deviations)
