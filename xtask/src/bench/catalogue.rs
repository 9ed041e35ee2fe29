//! What is measured, against whom, and what is to be reached.

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Bench {
    /// Its name for scripts and for `--only`.
    pub(crate) id: &'static str,
    /// Its name for people.
    pub(crate) what: &'static str,
    /// What its figures are.
    pub(crate) unit: Unit,
    /// The ratio to the peer that is to be reached, 1 or more being better.
    pub(crate) target: f64,
    /// What our program is to measure.
    pub(crate) ours: &'static str,
    /// More for both programs.
    pub(crate) arguments: &'static [&'static str],
    /// Images of a round, or new images of a job; the last argument where there is one.
    pub(crate) images: Option<Images>,
    /// What it is compared with.
    pub(crate) against: Against,
    /// Both programs have one core, the same.
    pub(crate) on_one_core: bool,
}

/// How many images.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Images {
    /// For real figures.
    pub(crate) full: usize,
    /// With `--quick`.
    pub(crate) quick: usize,
}

/// What figures are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// More is better.
    ImagesPerS,
    /// Less is better, as of all that follow.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Megabytes.
    Megabytes,
}

impl Unit {
    /// Its sign.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ImagesPerS => "images/s",
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Megabytes => "MB",
        }
    }

    /// How many times better ours is than the peer's; 1 or more is as good or better.
    pub(crate) fn ratio(self, ours: f64, peer: f64) -> f64 {
        match self {
            Self::ImagesPerS => ours / peer,
            Self::Seconds | Self::Milliseconds | Self::Megabytes => peer / ours,
        }
    }
}

/// What ours is compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Against {
    /// A script of `trainer/benches/peers`.
    Script {
        /// Its file.
        script: &'static str,
        /// What it needs.
        packages: Packages,
        /// How far it must compute the same.
        agreement: Agreement,
    },
    /// What our program measures in the same round.
    Beside,
    /// The target itself, in the bench's unit.
    Figure(f64),
}

/// Packages of the peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packages {
    /// ONNX Runtime, scikit-learn, decoders: 250 MB.
    Small,
    /// PyTorch with what it drags along: gigabytes.
    Torch,
}

/// How far a peer must compute the same, before its time says anything.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Agreement {
    /// Features of a few photos.
    Features {
        /// Least cosine.
        cosine: f64,
        /// Largest error, as a share of the largest number.
        error: f64,
    },
    /// The value that was minimised.
    Loss {
        /// Relative, either way.
        within: f64,
    },
}

/// From the same pixels.
const SAME_PIXELS: Agreement = Agreement::Features {
    cosine: 0.9999,
    error: 1e-3,
};
/// From the same files by other decoders and filters.
const SAME_FILES: Agreement = Agreement::Features {
    cosine: 0.98,
    error: 0.25,
};

/// Everything there is to measure, in the order of the table.
pub(crate) const BENCHES: [Bench; 11] = [
    forward("forward_mbv2_224_1t", "MobileNetV2-1.0-224, one thread", &["mbv2"]),
    forward("forward_lite0_224_1t", "EfficientNet-Lite0-224, one thread", &["lite0"]),
    forward(
        "forward_lite0_tap10_224_1t",
        "the same to block 10, pooled there",
        &["lite0_tap10"],
    ),
    extraction(
        "jpeg_to_feature_torch",
        "JPEG to feature, torchvision and PyTorch",
        4.0,
        "pipeline_torch.py",
        Packages::Torch,
    ),
    extraction(
        "jpeg_to_feature_ort",
        "JPEG to feature, libjpeg-turbo and ONNX Runtime",
        1.1,
        "pipeline_ort.py",
        Packages::Small,
    ),
    Bench {
        id: "head_refit_sklearn",
        what: "head refit, 10,000 x 1,280, 11 classes, scikit-learn",
        unit: Unit::Seconds,
        target: 5.0,
        ours: "refit",
        arguments: &[],
        images: None,
        against: Against::Script {
            script: "refit_sklearn.py",
            packages: Packages::Small,
            agreement: Agreement::Loss { within: 1e-6 },
        },
        on_one_core: false,
    },
    Bench {
        id: "warm_clone",
        what: "clone, 1,000 new photos on 10,000 cached, 1.15 x extraction",
        against: Against::Beside,
        ..job("warm-clone", &["10000"])
    },
    Bench {
        id: "cached_job_10k",
        what: "the same, all cached",
        against: Against::Figure(1.5),
        ..job("cached-job", &["10000"])
    },
    Bench {
        id: "cached_job_100k",
        what: "the same on 100,000, all cached",
        against: Against::Figure(6.0),
        ..job("cached-job", &["100000"])
    },
    Bench {
        id: "gate_10k",
        what: "curves, flips, bootstrap gate, 10,000 x 11",
        unit: Unit::Milliseconds,
        target: 1.0,
        ours: "gate",
        arguments: &[],
        images: None,
        against: Against::Figure(150.0),
        on_one_core: false,
    },
    Bench {
        id: "worker_rss",
        what: "a worker's memory while it extracts, beside the map",
        unit: Unit::Megabytes,
        target: 1.0,
        ours: "resident",
        arguments: &["10000"],
        images: Some(Images { full: 400, quick: 60 }),
        against: Against::Figure(400.0),
        on_one_core: false,
    },
];

/// From normalisation to feature: decoding and resizing are not part of it on either side.
const fn forward(id: &'static str, what: &'static str, network: &'static [&'static str]) -> Bench {
    Bench {
        id,
        what,
        unit: Unit::ImagesPerS,
        target: 1.1,
        ours: "forward",
        arguments: network,
        images: Some(Images { full: 80, quick: 30 }),
        against: Against::Script {
            script: "forward_ort.py",
            packages: Packages::Small,
            agreement: SAME_PIXELS,
        },
        on_one_core: true,
    }
}

/// The whole of MobileNetV2, which every peer knows; on all cores.
const fn extraction(
    id: &'static str,
    what: &'static str,
    target: f64,
    script: &'static str,
    packages: Packages,
) -> Bench {
    Bench {
        id,
        what,
        unit: Unit::ImagesPerS,
        target,
        ours: "extraction",
        arguments: &["mbv2"],
        images: Some(Images { full: 200, quick: 64 }),
        against: Against::Script {
            script,
            packages,
            agreement: SAME_FILES,
        },
        on_one_core: false,
    }
}

/// A clone by the bundled backbone.
const fn job(ours: &'static str, old: &'static [&'static str]) -> Bench {
    Bench {
        id: "",
        what: "",
        unit: Unit::Seconds,
        target: 1.0,
        ours,
        arguments: old,
        images: Some(Images {
            full: 1_000,
            quick: 200,
        }),
        against: Against::Beside,
        on_one_core: false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_told_apart_and_scripts_are_there() {
        let ids: BTreeSet<&str> = BENCHES.iter().map(|bench| bench.id).collect();
        assert_eq!(ids.len(), BENCHES.len());
        assert!(!ids.contains(""));
        for bench in &BENCHES {
            if let Against::Script { script, .. } = bench.against {
                let path = crate::process::root().join("trainer/benches/peers").join(script);
                assert!(path.exists(), "{}: {}", bench.id, path.display());
            }
        }
    }

    #[test]
    fn better_is_above_one_whichever_way_figures_go() {
        assert_eq!(Unit::ImagesPerS.ratio(120.0, 100.0), 1.2);
        assert_eq!(Unit::Seconds.ratio(1.0, 1.5), 1.5);
        assert_eq!(Unit::Megabytes.ratio(500.0, 400.0), 0.8);
    }
}
