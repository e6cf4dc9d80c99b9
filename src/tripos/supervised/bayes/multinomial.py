"""Multinomial naive Bayes: which words a class uses, and how often.

    P(j | k) = (N_kj + alpha_j) / (N_k + sum_j alpha_j)
    log P(k) + log P(x | k) = log P(k) + sum_j x_j log P(j | k) + (what does not depend on k)

N_kj counts the occurrences of feature j in the rows of class k and N_k is their sum; alpha is Laplace's smoothing, one
imagined occurrence of every word in every class. The score is linear in x: naive Bayes is a linear classifier
whose weights are counted, not searched for.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from tripos.data.needs import Needs
from tripos.supervised.bayes.counts import CountClassifier, Counts, Floats, log_shares


class MultinomialNB(CountClassifier):
    """Multinomial naive Bayes, for counts such as words in a text.

        P(k | x)  proportional to  P(k) prod_j P(j | k)^x_j,      P(j | k) = (N_kj + alpha_j) / (N_k + sum_j alpha_j)

    Parameters
    ----------
    alpha : float or array-like of shape (n_features,), default=1.0
        Occurrences added to every count (Laplace's smoothing at 1, Lidstone's below).
    force_alpha : bool, default=True
        False raises an `alpha` below 1e-10 to that.
    fit_prior : bool, default=True
        Whether P(k) is the class's share of the rows; uniform otherwise.
    class_prior : array-like of shape (n_classes,), default=None
        P(k) itself.

    Attributes
    ----------
    class_count_ : ndarray of shape (n_classes,)
        Rows (or sum of weights) of each class.
    class_log_prior_ : ndarray of shape (n_classes,)
        log P(k).
    classes_ : ndarray of shape (n_classes,)
        Class labels in sorted order.
    feature_count_ : ndarray of shape (n_classes, n_features)
        N_kj: occurrences of each feature in each class.
    feature_log_prob_ : ndarray of shape (n_classes, n_features)
        log P(j | k).
    n_features_in_ : int
        Columns of the input.
    feature_names_in_ : ndarray of str
        Their names, where it was a table.

    See Also
    --------
    ComplementNB : for classes of unequal size.
    BernoulliNB : for words that occur or not.
    GaussianNB : for measurements.

    Notes
    -----
    The fit merges: `partial_fit`, `merge`, blocks and files larger than memory give what one array gives.
    Without smoothing (`alpha=0`) a row with words that no class has seen together gets the class with the fewest
    impossible words, where scikit-learn gives NaN.

    References
    ----------
    C. D. Manning, P. Raghavan & H. Schuetze (2008). Introduction to Information Retrieval, section 13.2.
    https://nlp.stanford.edu/IR-book/html/htmledition/naive-bayes-text-classification-1.html

    Examples
    --------
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from tripos import MultinomialNB
    >>> texts = ["win a prize now", "call now to win", "lunch at noon", "see you at noon"]
    >>> words = CountVectorizer().fit(texts)
    >>> model = MultinomialNB().fit(words.transform(texts), ["spam", "spam", "ham", "ham"])
    >>> model.predict(words.transform(["win lunch now"]))
    array(['spam'], dtype='<U4')
    >>> [(words.get_feature_names_out()[j], round(odds, 2)) for j, odds in model.speaks_for("spam", 2)]
    [('now', 1.1), ('win', 1.1)]
    """

    needs: ClassVar[Needs] = Needs(categories="one-hot", numbers="bins", sign="non-negative", sparse=True)

    def __init__(
        self,
        *,
        alpha: float | npt.ArrayLike = 1.0,
        force_alpha: bool = True,
        fit_prior: bool = True,
        class_prior: npt.ArrayLike | None = None,
    ) -> None:
        self.alpha = alpha
        self.force_alpha = force_alpha
        self.fit_prior = fit_prior
        self.class_prior = class_prior

    def _log_probabilities(self, counts: Counts, alpha: float | Floats) -> Floats:
        log_p = np.empty_like(counts.count)
        log_shares(counts.count, np.full(log_p.shape[1], alpha), log_p)
        return log_p
