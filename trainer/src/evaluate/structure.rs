//! What must hold of a candidate whatever its numbers are: true or false, with the evidence.

use domain::ids::Digest;
use domain::job::HeadMode;
use domain::judge::JudgedClass;
use domain::model::{BackboneRef, ModelManifest};
use domain::report::{Comparison, Fact, StructuralFacts};

use crate::head::Head;

/// What the facts are read from.
#[derive(Clone, Copy, Debug)]
pub struct StructureInput<'a> {
    /// How the head was made.
    pub mode: HeadMode,
    /// Digests over the backbone's numbers in memory: when they were loaded, and after the fit.
    pub frozen: (Digest, Digest),
    /// The backbone.
    pub backbone: &'a BackboneRef,
    /// The candidate's classes.
    pub classes: &'a [JudgedClass],
    /// Its head.
    pub head: &'a Head,
    /// Bytes of its head file.
    pub head_bytes: usize,
    /// The model it was appended to, its head read from its file, and what moved.
    pub baseline: Option<(&'a ModelManifest, &'a Head, &'a Comparison)>,
}

/// The facts, in a fixed order.
#[must_use]
pub fn structure(input: &StructureInput<'_>) -> StructuralFacts {
    let mut facts = vec![backbone(input), shape(input), size(input)];
    if let Some((manifest, head, comparison)) = input.baseline {
        facts.push(thresholds(input, manifest));
        // A refit may move every old row, and with it every answer.
        if input.mode == HeadMode::Append {
            facts.push(old_rows(input, manifest, head));
            facts.push(growth(comparison));
        }
    }
    StructuralFacts { facts }
}

fn fact(id: &str, holds: bool, evidence: String) -> Fact {
    Fact {
        id: id.to_owned(),
        holds,
        evidence,
    }
}

fn backbone(input: &StructureInput<'_>) -> Fact {
    let (loaded, now) = input.frozen;
    let backbone = input.backbone;
    let same_as_baseline = input.baseline.is_none_or(|(manifest, _, _)| {
        manifest.backbone.digest == backbone.digest && manifest.backbone.tensors == backbone.tensors
    });
    let evidence = match (loaded == now, same_as_baseline) {
        (true, true) => format!(
            "the backbone's tensors are {}, and in memory they hash to {} before and after",
            backbone.tensors.short(),
            now.short()
        ),
        (false, _) => format!(
            "the backbone's numbers in memory hashed to {} when they were loaded and to {} after the fit",
            loaded.short(),
            now.short()
        ),
        (true, false) => format!(
            "the backbone is {} with tensors {}, which is not the baseline's",
            backbone.digest.short(),
            backbone.tensors.short()
        ),
    };
    fact("backbone_unchanged", loaded == now && same_as_baseline, evidence)
}

fn shape(input: &StructureInput<'_>) -> Fact {
    let (rows, dim, width) = (input.head.n_classes(), input.head.dim, input.backbone.dim as usize);
    let (expected, n_old) = (
        input.classes.len(),
        input.baseline.map_or(0, |(manifest, _, _)| manifest.classes.len()),
    );
    let holds = rows == expected && dim == width && input.head.weight.len() == expected * width;
    let evidence = format!(
        "the head has {rows} rows of {dim} weights, expected {n_old} old and {} new rows of {width}",
        expected - n_old
    );
    fact("head_shape", holds, evidence)
}

fn size(input: &StructureInput<'_>) -> Fact {
    let dim = input.backbone.dim as usize;
    let predicted = input.classes.len() * (dim + 1);
    let values = predicted + 2 * dim;
    let (parameters, bytes) = (input.head.n_parameters(), input.head_bytes);
    // A weight is used once an image. What the backbone costs follows from its architecture, which its digest names.
    let (macs, predicted_macs) = (input.head.weight.len(), input.classes.len() * dim);
    // Beside the values stand the container's length and its header, a line of JSON.
    let header = bytes.checked_sub(4 * values);
    let holds = parameters == predicted && macs == predicted_macs && header.is_some_and(|header| header <= 512);
    let evidence = format!(
        "the head has {parameters} parameters in {bytes} bytes and {macs} multiply-adds an image, predicted {predicted} \
         parameters, {} bytes besides the header and {predicted_macs} multiply-adds",
        4 * values
    );
    fact("size_as_predicted", holds, evidence)
}

fn old_rows(input: &StructureInput<'_>, manifest: &ModelManifest, before: &Head) -> Fact {
    let differs = manifest.classes.iter().enumerate().find(|(idx, class)| {
        let fits = *idx < input.head.n_classes() && *idx < before.n_classes();
        !fits || input.head.row_digest(*idx) != class.row || before.row_digest(*idx) != class.row
    });
    let constants = before.mean.iter().chain(&before.std).map(|value| value.to_bits());
    let now = input
        .head
        .mean
        .iter()
        .chain(&input.head.std)
        .map(|value| value.to_bits());
    let same_constants = constants.eq(now);
    let evidence = match differs {
        Some((_, class)) => format!("the row of {} is not the baseline's bit by bit", class.name),
        None if !same_constants => "the constants that features are standardised by are not the baseline's".to_owned(),
        None => format!("all {} old rows are the baseline's bit by bit", manifest.classes.len()),
    };
    fact("old_rows_bit_equal", differs.is_none() && same_constants, evidence)
}

fn thresholds(input: &StructureInput<'_>, manifest: &ModelManifest) -> Fact {
    let pairs = manifest.classes.iter().zip(input.classes);
    let differs = pairs.clone().find(|(before, now)| {
        before.name != now.name || before.role != now.role || before.tau.to_bits() != now.tau.to_bits()
    });
    let evidence = match differs {
        Some((before, now)) => format!("{} at {} became {} at {}", before.name, before.tau, now.name, now.tau),
        None => "names, roles and thresholds of all old classes are the baseline's".to_owned(),
    };
    let complete = manifest.classes.len() <= input.classes.len();
    fact("old_classes_kept", differs.is_none() && complete, evidence)
}

fn growth(comparison: &Comparison) -> Fact {
    let n = comparison.n_forbidden;
    let evidence = if n == 0 {
        "between the models answers moved to new classes and to unknown only".to_owned()
    } else {
        format!("{n} answers moved to an old class, which an append cannot do")
    };
    fact("growth_only_allowed", n == 0, evidence)
}

#[cfg(test)]
mod tests {
    use domain::gate::policy::GatePolicy;
    use domain::gate::verdict::VerdictState;
    use domain::report::EvaluationReport;

    use super::*;
    use crate::head::Head;
    use crate::pipeline::tests::appended;

    /// The verdict on a report whose structure is read again from this head, backbone and digests.
    fn judged(
        (baseline, before, report): (&ModelManifest, &Head, &EvaluationReport),
        head: &Head,
        backbone: &BackboneRef,
        frozen: (Digest, Digest),
    ) -> (VerdictState, bool, String) {
        let classes: Vec<JudgedClass> = report
            .classes
            .iter()
            .map(|class| JudgedClass {
                name: class.name.clone(),
                role: class.role,
                tau: class.tau,
            })
            .collect();
        let comparison = report.comparison.as_ref().unwrap();
        let structural = structure(&StructureInput {
            mode: HeadMode::Append,
            frozen,
            backbone,
            classes: &classes,
            head,
            head_bytes: head.to_safetensors().unwrap().len(),
            baseline: Some((baseline, before, comparison)),
        });
        let report = EvaluationReport {
            structural,
            ..report.clone()
        };
        let verdict = domain::gate::decide(&report, &GatePolicy::pilot());
        (verdict.state, verdict.summary().structural_failure, verdict.sentence)
    }

    /// The bundled backbone, but for the last bit of one number of one folded batch norm's bias.
    fn with_one_bias_bit_turned() -> engine::Backbone {
        let clean = crate::bundled::WEIGHTS;
        let tensors = safetensors::SafeTensors::deserialize(clean).unwrap();
        let names = tensors.names().into_iter().filter(|name| name.ends_with("bias"));
        let name = names.min().unwrap();
        let place = tensors.tensor(name).unwrap().data().as_ptr() as usize - clean.as_ptr() as usize;
        let mut bytes = clean.to_vec();
        bytes[place] ^= 1;
        let like = crate::bundled::backbone();
        let (spec, recipe) = (like.spec().clone(), like.recipes()[0]);
        engine::Backbone::load(spec, recipe, *like.preprocessing(), &bytes).unwrap()
    }

    #[test]
    fn one_bit_of_an_old_row_or_of_the_backbone_fails_the_gate() {
        let (baseline, before, report, head) = appended();
        let backbone = baseline.backbone.clone();
        let (whole, flipped) = (crate::bundled::backbone(), with_one_bias_bit_turned());
        let (same, other) = (whole.current_digest(), flipped.current_digest());
        let with =
            |head: &Head, backbone: &BackboneRef, frozen| judged((&baseline, &before, &report), head, backbone, frozen);
        let clean = with(&head, &backbone, (same, same));
        assert_eq!((clean.0, clean.1), (VerdictState::Pass, false), "{}", clean.2);

        let mut turned = head.clone();
        let place = turned.dim + 2;
        turned.weight[place] = f32::from_bits(turned.weight[place].to_bits() ^ 1);
        let mut bias = head.clone();
        bias.bias[0] = f32::from_bits(bias.bias[0].to_bits() ^ 1);
        let mut constant = head.clone();
        constant.mean[0] = f32::from_bits(constant.mean[0].to_bits() ^ 1);
        let retensored = BackboneRef {
            tensors: flipped.tensors_digest(),
            ..backbone.clone()
        };
        let harmed = [
            ("an old weight", with(&turned, &backbone, (same, same)), "the row of b"),
            ("an old bias", with(&bias, &backbone, (same, same)), "the row of a"),
            (
                "a constant",
                with(&constant, &backbone, (same, same)),
                "standardised by",
            ),
            (
                "a tensor of the file",
                with(&head, &retensored, (same, same)),
                "not the baseline's",
            ),
            ("a number in memory", with(&head, &backbone, (same, other)), "in memory"),
        ];
        for (what, (state, structural, sentence), words) in harmed {
            assert_eq!((state, structural), (VerdictState::Fail, true), "{what}: {sentence}");
            assert!(sentence.contains(words), "{what}: {sentence}");
        }
    }
}
