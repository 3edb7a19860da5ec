"""Holds the ledger: the claims of the four papers, and the rule that decides each.

The rules were written before anything was run and are not changed after looking. Where a rule
cannot be computed as it stands, the study that computes it says so in its note. Several sections
are joined by commas; a study is the one that computes the claim.
"""

from dataclasses import dataclass

from invariscope.registry import unknown_name

#: Title of each paper's subject, by number.
PAPERS = {
    "000": "natural images",
    "002": "learned equivariance",
    "003": "G-EED",
    "004": "what invariance is worth",
}


@dataclass(frozen=True)
class Claim:
    """A claim of a paper.

    Attributes:
        id: Paper and number, "000.c1".
        section: Where the paper makes it.
        study: The study that computes it.
        statement: What is claimed.
        rule: The statistic, and when the claim holds.
    """

    id: str
    section: str
    study: str
    statement: str
    rule: str

    @property
    def paper(self) -> str:
        """The paper's number."""
        return self.id.partition(".")[0]


def get_claim(name: str) -> Claim:
    """The claim of that id.

    Raises:
        InputError: There is none.

    Example:
        >>> get_claim("000.c7").rule
        'differences < 0'
    """
    if name not in CLAIMS:
        raise unknown_name("claim", name, CLAIMS)
    return CLAIMS[name]


# fmt: off
_ALL = (
    Claim(
        "000.c1", "2.1", "rrc-decomposition",
        "RandomResizedCrop beats each of its halves, and each half beats no augmentation",
        "three paired accuracy differences, all > 0",
    ),
    Claim(
        "000.c2", "2.1", "rrc-decomposition",
        "T.(30%) recovers most of RRC's gain",
        "(acc T − acc none) / (acc RRC − acc none) > 0.5",
    ),
    Claim(
        "000.c3", "2.1", "rrc-decomposition",
        "adding scale to translation adds little",
        "acc(T+RSCC) − acc(T) within ± 0.25 × (RRC − none)",
    ),
    Claim(
        "000.c4", "2.2", "rrc-beta",
        "the shape of the scale law matters: α = 0.1 and α = 10 do worse than α = 1",
        "two paired differences > 0",
    ),
    Claim(
        "000.c5", "3.2", "sources-of-invariance",
        "training raises invariance to translation and to appearance",
        "trained − untrained, mean over levels 3–7, > 0 for translation x, y and for the mean "
        "of the appearance families",
    ),
    Claim(
        "000.c6", "3.2", "sources-of-invariance",
        "training leaves mean zoom-in invariance unchanged but narrows its spread",
        "difference of means within ± 0.05, ratio of interquartile ranges < 1",
    ),
    Claim(
        "000.c7", "3.2", "sources-of-invariance",
        "training lowers invariance to rotation and shear",
        "differences < 0",
    ),
    Claim(
        "000.c8", "3.2", "sources-of-invariance",
        "a ViT is at least as translation-invariant as a ResNet, trained and untrained",
        "differences > −0.02",
    ),
    Claim(
        "000.c9", "3.2", "sources-of-invariance",
        "augmentation adds only a little translation invariance",
        "augmented − not: > 0 and < half of (not augmented − untrained)",
    ),
    Claim(
        "000.c10", "3.2, D", "sources-of-invariance",
        "an untrained ResNet is translation-equivariant, an untrained ViT is not",
        "alignment > 0 for the first and greater than the second's",
    ),
    Claim(
        "000.c11", "4.1", "natural-factors",
        "no transformation raises the similarity of pairs in all classes; none clearly on average",
        "count of operations whose class means are all > 0 is 0; best overall mean change not "
        "> 1 %",
    ),
    Claim(
        "000.c12", "4.1", "natural-factors",
        "training with augmentation dampens the changes",
        "variance ratio of similarity changes < 1",
    ),
    Claim(
        "000.c13", "4.2", "natural-factors",
        "the best transformation of each class raises its similarity",
        "share of classes with held-out change > 0 is > 0.9 (choose on one half of the pairs, "
        "test on the other)",
    ),
    Claim(
        "000.c14", "4.2", "class-effects",
        "RRC hurts some classes consistently",
        "number of classes hurt in > 70 % of seed pairs, above the binomial expectation",
    ),
    Claim(
        "000.c15", "4.3", "natural-factors",
        "tops are appearance more than geometry",
        "share of appearance among per-class tops > its share in the pool",
    ),
    Claim(
        "000.c16", "4.4", "natural-factors",
        "operations whose invariance grows in training are more often in the classes' top 5",
        "mean share(gap > 0) − mean share(gap ≤ 0) > 0, permutation test",
    ),
    Claim(
        "000.c17", "4.5", "natural-factors",
        "similar classes (WordNet) have similar transformation ranks",
        "Spearman > 0, permutation test",
    ),
    Claim(
        "000.c18", "F, G", "validation-scale",
        "accuracy falls as validation scale grows, less with RRC; Augerino's result depends "
        "on its regulariser",
        "slopes < 0 and their difference > 0; range of accuracy over the regulariser > 2 SEM",
    ),
    Claim(
        "002.c1", "3.3", "augmentation-equivariance",
        "cosine similarity follows the activations' mean, Pearson does not",
        "|r(cosine, mean)| − |r(Pearson, mean)| over layers > 0",
    ),
    Claim(
        "002.c2", "4.1", "designed-symmetry",
        "the measure finds the toys' designed symmetry",
        "exact to 1e-5",
    ),
    Claim(
        "002.c3", "4.2", "architectures",
        "translation equivariance in Early/Middle and in Final goes with accuracy, rotation "
        "before pooling does not",
        "Spearman > 0.5 in Early, Middle, Final for translation; < 0.5 for rotation",
    ),
    Claim(
        "002.c4", "4.3", "rotation-in-the-task",
        "an invariant or equivariant task does not change equivariance before the late part",
        "differences between the three MNIST6 tasks in Early and Middle within ± 0.05",
    ),
    Claim(
        "002.c5", "4.3", "rotation-in-the-task",
        "in Early and Middle, rotation equivariance is much larger than rotation invariance",
        "difference > 0.1",
    ),
    Claim(
        "002.c6", "4.4", "augmentation-equivariance",
        "random crops and RandAugment raise translation equivariance in Middle, Late, Final; "
        "flips and CutMix do not",
        "differences to no augmentation: > 0 for the two, not > 0 for the others",
    ),
    Claim(
        "002.c7", "4.4, 4.6", "augmentation-equivariance",
        "for translation, invariance and equivariance agree",
        "difference minus its shuffled-image null within ± 0.05",
    ),
    Claim(
        "002.c8", "4.5", "capacity",
        "wider networks have less intermediate translation equivariance, equal final invariance",
        "Spearman(width, Early–Late) < 0; Final differences within ± 0.05",
    ),
    Claim(
        "002.c9", "4.6", "architectures",
        "CNNs have more translation and rotation equivariance than ViTs in Early and Middle",
        "differences > 0",
    ),
    Claim(
        "002.c10", "4.6", "architectures",
        "low intermediate rotation equivariance goes with high final",
        "Spearman(intermediate, Final) < 0",
    ),
    Claim(
        "003.c1", "4.1", "learned-vs-built-in",
        "every block of the C8-CNN is more channelwise equivariant than the CNN's, and both "
        "decay with depth",
        "EED differences < 0 at every block; slopes > 0",
    ),
    Claim(
        "003.c2", "4.1", "learned-vs-built-in",
        "training with augmentation does not make the CNN's layers more equivariant",
        "channelwise EED at the end minus just after the start not < 0",
    ),
    Claim(
        "003.c3", "4.1", "learned-vs-built-in",
        "latent (l2) and softmax EED fall in training",
        "end − start < 0",
    ),
    Claim(
        "003.c4", "4.1", "learned-vs-built-in",
        "the C8-CNN is more invariant in l2 and softmax, less in normalised cosine",
        "three signed differences",
    ),
    Claim(
        "003.c5", "4.2", "out-of-distribution",
        "out of distribution, an untrained CNN's latent is least invariant, yet its softmax "
        "most invariant",
        "two orderings over the data sets, sign test",
    ),
    Claim(
        "003.c6", "4.3", "pretraining",
        "from scratch is more latent-invariant than pretrained, and the two move in opposite "
        "directions",
        "difference < 0 at the end; slopes of opposite sign",
    ),
    Claim(
        "003.c7", "4.3", "pretraining",
        "D8 tells the same story as C8",
        "same sign of every difference",
    ),
    Claim(
        "003.c8", "4.4", "self-supervision",
        "SimCLR is the most reflection-invariant of the four",
        "its EED below the other three",
    ),
    Claim(
        "004.c1", "3.1", "invariance-vs-equivariance",
        "sharing transformations is worth more than sharing objects",
        "acc(transforms) − acc(objects) > 0, for each architecture",
    ),
    Claim(
        "004.c2", "3.1", "invariance-vs-equivariance",
        "transfer to the same transformations is close to the training task",
        "acc(all) − acc(transforms) < half of acc(all) − acc(none)",
    ),
    Claim(
        "004.c3", "3.1", "invariance-vs-equivariance",
        "sharing objects alone buys little",
        "acc(objects) − acc(none) < 0.25 × (acc(all) − acc(none))",
    ),
    Claim(
        "004.c4", "C.1", "supersets",
        "supersets do not hurt, subsets do",
        "acc on and below the diagonal within ± 0.03 of native; acc falls with each missing "
        "transformation (slope > 0)",
    ),
    Claim(
        "004.c5", "3.2", "irrelevant-features",
        "a model that saw an irrelevant feature predicts it worse than one that did not",
        "two differences > 0",
    ),
    Claim(
        "004.c6", "4.1", "relevance",
        "relevance: object accuracy rises with α, class accuracy stays until α = 1",
        "Spearman(α, object) > 0.8; class accuracy for α ≤ 0.95 within ± 0.03 and lower at 1",
    ),
    Claim(
        "004.c7", "4.1", "availability",
        "availability: object accuracy drops as soon as β > 0, class accuracy does not change",
        "acc(β=0) − acc(β=0.2) > 0.5 × (acc(β=0) − acc(β=1)); class differences within ± 0.03",
    ),
    Claim(
        "004.c8", "4.2", "between-classes",
        "invariance transfers between classes, but not to the composition",
        "T₁⊕T₂ on T₁ and T₂ closer to native than the other task's model is; on T₁∘T₂ far "
        "below T₁∘T₂'s own",
    ),
    Claim(
        "004.c9", "4.3", "single-transformations",
        "translation, rotation and color jitter are the hard ones",
        "mean column accuracy (without the diagonal) of the three below the mean of the others",
    ),
    Claim(
        "004.c10", "4.3", "distance-ratios",
        "the l2 ratio follows transfer",
        "Spearman(ratio, transfer accuracy) > 0",
    ),
)
# fmt: on

#: All claims by id, paper after paper.
CLAIMS = {claim.id: claim for claim in _ALL}
