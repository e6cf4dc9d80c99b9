"""The one list of public names: name -> module. `tripos.__getattr__`, the contract tests, the docs, the
artifact loader and the run all read it; a class that is not here cannot be loaded from a file."""

from __future__ import annotations

ESTIMATORS: dict[str, str] = {
    "LinearRegression": "tripos.supervised.linear.least_squares",
    "Ridge": "tripos.supervised.linear.ridge",
    "RidgeCV": "tripos.supervised.linear.ridge_cv",
    "RidgeClassifier": "tripos.supervised.linear.ridge_classifier",
    "RidgeClassifierCV": "tripos.supervised.linear.ridge_classifier_cv",
    "Lasso": "tripos.supervised.linear.lasso",
    "ElasticNet": "tripos.supervised.linear.lasso",
    "LinearDiscriminantAnalysis": "tripos.supervised.linear.lda",
    "QuadraticDiscriminantAnalysis": "tripos.supervised.linear.qda",
    "LassoCV": "tripos.supervised.linear.lasso_cv",
    "ElasticNetCV": "tripos.supervised.linear.lasso_cv",
    "LogisticRegression": "tripos.supervised.linear.logistic",
    "LogisticRegressionCV": "tripos.supervised.linear.logistic_cv",
    "Perceptron": "tripos.supervised.linear.perceptron",
    "SGDClassifier": "tripos.supervised.linear.sgd",
    "SGDRegressor": "tripos.supervised.linear.sgd_regressor",
    "PoissonRegressor": "tripos.supervised.linear.glm",
    "GammaRegressor": "tripos.supervised.linear.glm",
    "TweedieRegressor": "tripos.supervised.linear.glm",
    "HuberRegressor": "tripos.supervised.linear.huber",
    "QuantileRegressor": "tripos.supervised.linear.quantile",
    "LinearSVC": "tripos.supervised.linear.svc",
    "LinearSVR": "tripos.supervised.linear.svr",
    "SVC": "tripos.supervised.svm.svc",
    "SVR": "tripos.supervised.svm.svr",
    "NuSVR": "tripos.supervised.svm.svr",
    "KernelRidge": "tripos.supervised.svm.kernel_ridge",
    "GaussianNB": "tripos.supervised.bayes.gaussian",
    "MultinomialNB": "tripos.supervised.bayes.multinomial",
    "ComplementNB": "tripos.supervised.bayes.complement",
    "BernoulliNB": "tripos.supervised.bayes.bernoulli",
    "CategoricalNB": "tripos.supervised.bayes.categorical",
    "NaiveBayes": "tripos.supervised.bayes.mixed",
    "GradientBoostingClassifier": "tripos.supervised.trees.gradient_boosting",
    "GradientBoostingRegressor": "tripos.supervised.trees.gradient_boosting",
    "HistGradientBoostingClassifier": "tripos.supervised.trees.hist_gradient_boosting",
    "HistGradientBoostingRegressor": "tripos.supervised.trees.hist_gradient_boosting",
    "BoostedTreesClassifier": "tripos.supervised.trees.boosted_trees",
    "BoostedTreesRegressor": "tripos.supervised.trees.boosted_trees",
    "RandomForestClassifier": "tripos.supervised.trees.random_forest",
    "RandomForestRegressor": "tripos.supervised.trees.random_forest",
    "ExtraTreesClassifier": "tripos.supervised.trees.extra_trees",
    "ExtraTreesRegressor": "tripos.supervised.trees.extra_trees",
    "AdaBoostClassifier": "tripos.supervised.ensemble.ada_boost",
    "DecisionTreeClassifier": "tripos.supervised.trees.decision_tree",
    "DecisionTreeRegressor": "tripos.supervised.trees.decision_tree",
    "ID3Classifier": "tripos.supervised.trees.id3",
    "C45Classifier": "tripos.supervised.trees.c45",
    "KNeighborsClassifier": "tripos.supervised.neighbors.classification",
    "KNeighborsRegressor": "tripos.supervised.neighbors.regression",
    "NearestCentroid": "tripos.supervised.neighbors.centroid",
    "DummyClassifier": "tripos.supervised.dummy.classifier",
    "DummyRegressor": "tripos.supervised.dummy.regressor",
}

TRANSFORMERS: dict[str, str] = {
    "Encoder": "tripos.data.encoder",
    "Nystroem": "tripos.supervised.svm.nystroem",
    "RBFSampler": "tripos.supervised.svm.nystroem",
    "OneClassSVM": "tripos.supervised.svm.one_class",  # predicts inliers, not a target
    "NuSVC": "tripos.supervised.svm.svc",  # its nu is infeasible for some classes that others can be fitted to
    # Learners that need not answer for every row: nobody may lie within a radius, and a search predicts nothing.
    "NearestNeighbors": "tripos.supervised.neighbors.unsupervised",
    "RadiusNeighborsClassifier": "tripos.supervised.neighbors.classification",
    "RadiusNeighborsRegressor": "tripos.supervised.neighbors.regression",
    # It learns from queries, which lie beside X and y.
    "BoostedTreesRanker": "tripos.supervised.trees.boosted_ranker",
    "KNNImputer": "tripos.data.knn_imputer",
    # They judge or describe rows instead of predicting a target.
    "LocalOutlierFactor": "tripos.unsupervised.anomaly.local_outlier_factor",
    "KernelDensity": "tripos.unsupervised.density.kernel_density",
    # They fit many members, or want them named, so no run tries them of its own accord.
    "AdaBoostRegressor": "tripos.supervised.ensemble.ada_boost_regressor",
    "VotingClassifier": "tripos.supervised.ensemble.voting",
    "VotingRegressor": "tripos.supervised.ensemble.voting",
    "StackingClassifier": "tripos.supervised.ensemble.stacking",
    "StackingRegressor": "tripos.supervised.ensemble.stacking",
    "BaggingClassifier": "tripos.supervised.ensemble.bagging",
    "BaggingRegressor": "tripos.supervised.ensemble.bagging",
}

# Objects without a place among the learners that a saved file may hold as well.
PARTS: dict[str, str] = {
    "Schema": "tripos.data.schema",
    "Stages": "tripos.data.encoding.stages",
    "Levels": "tripos.data.encoding.categories",
    "Lookup": "tripos.data.encoding.categories",
    "DateParts": "tripos.data.encoding.dates",
    "TfIdf": "tripos.data.encoding.text",
    "Terms": "tripos.data.encoding.text",
    "Filler": "tripos.data.encoding.missing",
    "Scaling": "tripos.data.encoding.scaling",
    "Bins": "tripos.data.encoding.binning",
    "Binning": "tripos.supervised.trees.binning",
    "OrderedStatistics": "tripos.supervised.trees.ordered",
    "Forest": "tripos.supervised.trees.tree",
    "CartTree": "tripos.supervised.trees.cart_tree",
    "MultiwayTree": "tripos.supervised.trees.multiway",
    "LeafForest": "tripos.supervised.trees.forest_nodes",
    "ExactForest": "tripos.supervised.trees.forest_exact",
    "Nodes": "tripos.supervised.trees.nodes",
    "LoadedTreesClassifier": "tripos.supervised.trees.foreign",  # made by `load`, never fitted
    "LoadedTreesRegressor": "tripos.supervised.trees.foreign",
}

FUNCTIONS: dict[str, str] = {
    "read_table": "tripos.data.read",
    "Schema": "tripos.data.schema",
    "profile": "tripos.data.profile",
    "split": "tripos.data.split",
    "scan": "tripos.compute.scan",
    "save": "tripos.artifact",
    "load": "tripos.artifact",
    "run": "tripos.workflow.run",
    "permutation_importance": "tripos.selection.permutation",
    "out_of_bag_importance": "tripos.selection.out_of_bag",
    "minimize": "tripos.optimization",
    "check_gradient": "tripos.optimization",
    "lasso_path": "tripos.supervised.linear.lasso_path",
    "enet_path": "tripos.supervised.linear.lasso_path",
    "LoadedTreesClassifier": "tripos.supervised.trees.foreign",
    "LoadedTreesRegressor": "tripos.supervised.trees.foreign",
    "TriposError": "tripos.errors",
    "BudgetError": "tripos.errors",
    "ArtifactError": "tripos.errors",
    "TableError": "tripos.errors",
    "SplitError": "tripos.errors",
    "RunError": "tripos.errors",
    "TriposWarning": "tripos.errors",
    "TableWarning": "tripos.errors",
    "DataWarning": "tripos.errors",
}

# How a file begins that another library wrote -> the module whose `read(stream, size)` makes a model of it.
READERS: dict[bytes, str] = {
    b"tree\n": "tripos.supervised.trees.foreign",
    b"tree\r": "tripos.supervised.trees.foreign",
    b"{": "tripos.supervised.trees.foreign",
}

PUBLIC: dict[str, str] = {**ESTIMATORS, **TRANSFORMERS, **FUNCTIONS}
