"""Independent float64 forms of the measures of papers 000, 002, 003 and 004: loops, on purpose."""

import math

import numpy as np


def reference_cosine(a, b):
    a, b = np.ravel(a).astype(float), np.ravel(b).astype(float)
    return sum(a * b) / (math.sqrt(sum(a * a)) * math.sqrt(sum(b * b)))


def reference_pearson(a, b):
    return float(np.corrcoef(np.ravel(a).astype(float), np.ravel(b).astype(float))[0, 1])


def reference_response_alignment(z, moved, pairing, shuffle):
    response = np.asarray(z, float) - np.asarray(moved, float)
    shuffled = np.empty_like(response)
    for i in range(response.shape[0]):
        for k in range(response.shape[1]):
            shuffled[i, k] = response[shuffle[i][k], k]
    return np.array(
        [
            reference_cosine(response[i], response[pairing[i]])
            - reference_cosine(shuffled[i], shuffled[pairing[i]])
            for i in range(len(response))
        ]
    )


def reference_similarity_change(anchor, other, moved):
    values = []
    for a, b, c in zip(anchor, other, moved, strict=True):
        before, after = reference_cosine(a, b), reference_cosine(a, c)
        values.append(math.nan if abs(before) < 1e-6 else (after - before) / before)
    return np.array(values)


def reference_channels(acted, transformed, similarity):
    """Similarities [B, C, C′] of transformed channel C to acted channel C′."""
    measure = reference_pearson if similarity == "pearson" else reference_cosine
    images, channels = acted.shape[:2]
    return np.array(
        [
            [
                [measure(transformed[i, c], acted[i, other]) for other in range(channels)]
                for c in range(channels)
            ]
            for i in range(images)
        ]
    )


def reference_latent_normalizer(z, distance):
    pairs = [(i, j) for i in range(len(z)) for j in range(len(z)) if i != j]
    if distance == "cosine":
        return np.mean([reference_cosine(z[i], z[j]) for i, j in pairs])
    return np.mean([math.dist(z[i], z[j]) for i, j in pairs])


def reference_latent_eed(orbit, normalizer, distance):
    values = []
    for images in np.asarray(orbit, float):
        centre = images.mean(0)
        if distance == "cosine":
            terms = [-reference_cosine(z, centre) for z in images]
        else:
            terms = [math.dist(z, centre) for z in images]
        values.append(np.mean(terms) / normalizer)
    return np.array(values)


def reference_softmax_eed(orbit):
    values = []
    for rows in np.asarray(orbit, float):
        mean = rows.mean(0)
        total = 0.0
        for p in rows:
            total += sum(x * math.log(x / m) for x, m in zip(p, mean, strict=True) if x > 0)
        values.append(total / len(rows))
    return np.array(values)


def reference_class_distance_ratio(z, labels, distance):
    sums = {True: [], False: []}
    for i in range(len(z)):
        for j in range(len(z)):
            if i != j:
                far = (
                    math.dist(z[i], z[j]) if distance == "l2" else 1 - reference_cosine(z[i], z[j])
                )
                sums[labels[i] == labels[j]].append(far)
    return np.mean(sums[False]) / np.mean(sums[True])


def reference_normalized_variance(responses):
    responses = np.asarray(responses, float)
    images, transformations, units = responses.shape
    values = []
    for unit in range(units):
        inner = np.mean([np.var(responses[i, :, unit]) for i in range(images)])
        outer = np.mean([np.var(responses[:, t, unit]) for t in range(transformations)])
        values.append(inner / outer if outer else math.nan)
    return np.array(values)


def reference_linear_cka(x, y):
    """Through centred Gram matrices and their Hilbert-Schmidt products."""
    count = len(x)
    centre = np.eye(count) - np.ones((count, count)) / count
    grams = [centre @ (np.asarray(t, float) @ np.asarray(t, float).T) @ centre for t in (x, y)]
    products = [np.trace(a @ b) for a, b in ((grams[0], grams[1]), *[(g, g) for g in grams])]
    return products[0] / math.sqrt(products[1] * products[2])
