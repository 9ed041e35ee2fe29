//! The fits against scikit-learn 1.9 and scipy 1.17 on a dozen points in the plane, and their gradients against finite
//! differences.

use super::append::objective as append_objective;
use super::cold::objective as cold_objective;
use super::*;

const TRAIN: [f32; 24] = [
    0.0, 1.0, 0.5, 1.5, -0.5, 2.0, 1.0, 0.25, 2.0, 1.0, 2.5, 0.5, 3.0, 1.5, 1.5, 0.0, 0.25, -1.0, 1.0, -2.0, 1.5, -0.5,
    0.75, 0.5,
];
const TRAIN_LABELS: [usize; 12] = [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2];
const CALIBRATION: [f32; 16] = [
    0.25, 1.25, 1.25, 1.0, 2.25, 0.75, 1.0, 0.5, 0.5, -1.0, 1.5, -1.5, 2.0, 0.0, -0.25, 0.5,
];
const CALIBRATION_LABELS: [usize; 8] = [0, 0, 1, 1, 2, 2, 2, 0];
const IN_ORDER: [usize; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

fn rows(data: &[f32]) -> Rows<'_> {
    Rows {
        data: Matrix::Whole(data),
        dim: 2,
        index: &IN_ORDER[..data.len() / 2],
    }
}

fn cold_input(l2_grid: &[f64]) -> ColdInput<'_> {
    ColdInput {
        train: rows(&TRAIN),
        train_labels: &TRAIN_LABELS,
        calibration: rows(&CALIBRATION),
        calibration_labels: &CALIBRATION_LABELS,
        n_classes: 3,
        l2_grid,
    }
}

fn old_head() -> Head {
    Head {
        dim: 2,
        weight: vec![-1.5, 0.75, 2.0, 0.5],
        bias: vec![1.0, -1.25],
        mean: vec![1.0, 0.5],
        std: vec![0.5, 1.25],
    }
}

fn append_input<'a>(baseline: &'a Head, l2_grid: &'a [f64], budget: &'a Budget) -> AppendInput<'a> {
    AppendInput {
        baseline,
        baseline_logits: None,
        train: rows(&TRAIN),
        train_labels: &TRAIN_LABELS,
        calibration: rows(&CALIBRATION),
        calibration_labels: &CALIBRATION_LABELS,
        taus: &[0.6, 0.6, 0.6],
        rejects: &[false, false],
        l2_grid,
        recall_target: 0.6,
        budget,
        offset: None,
    }
}

#[track_caller]
fn near(got: f64, expected: f64, tolerance: f64) {
    assert!(
        (got - expected).abs() <= tolerance,
        "got {got}, the reference {expected}"
    );
}

#[test]
fn a_cold_fit_is_scikit_learns() {
    // LogisticRegression(C = 1/λ, solver = newton-cg) with balanced sample weights; temperature by minimize_scalar.
    let expected = [
        (0.03, 0.390_645_042_610_048, 0.736_522_220, 0.512_905_720_892_740),
        (0.01, 0.290_628_132_777_945, 1.031_023_276, 0.534_954_667_279_406),
    ];
    for (l2, objective, temperature, loss) in expected {
        let fit = fit_cold(&cold_input(&[l2]), &|| true).unwrap();
        let trial = fit.trials[0];
        assert!(trial.converged);
        near(trial.objective, objective, 1e-7);
        near(fit.temperature, temperature, 1e-5);
        // The fit ends within gradient norm / λ of the minimum.
        near(trial.calibration_loss, loss, 1e-5);
    }
    let fit = fit_cold(&cold_input(&[0.01, 0.03]), &|| true).unwrap();
    near(fit.l2, 0.03, 0.0);
    assert_eq!(
        fit.trials.iter().map(|trial| trial.l2).collect::<Vec<_>>(),
        [0.01, 0.03]
    );
    let probabilities = [
        [0.939_315_771_416, 0.010_734_997_604, 0.049_949_230_980],
        [0.525_288_956_598, 0.306_725_265_998, 0.167_985_777_404],
        [0.030_527_564_131, 0.910_760_899_330, 0.058_711_536_539],
    ];
    let logits = fit.head.logits(&rows(&CALIBRATION)).unwrap();
    for (z, expected) in logits.iter().zip(probabilities) {
        let total = log_sum_exp(z);
        for (z, expected) in z.iter().zip(expected) {
            near((z - total).exp(), expected, 1e-5);
        }
    }
}

#[test]
fn separable_calibration_does_not_freeze_the_head() {
    let calibration = [-0.5, 2.0, 3.0, 1.5, 1.0, -2.0];
    let input = ColdInput {
        calibration: rows(&calibration),
        calibration_labels: &[0, 1, 2],
        ..cold_input(&[1.0])
    };
    let fit = fit_cold(&input, &|| true).unwrap();
    near(fit.temperature, 0.5, 1e-9);
}

#[test]
fn an_append_fit_is_scipys_minimum() {
    let baseline = old_head();
    let budget = Budget {
        loss: vec![1.0, 1.0],
        false_new: 1.0,
    };
    let fit = fit_append(&append_input(&baseline, &[0.02], &budget), &|| true).unwrap();
    let trial = fit.trials[0];
    assert!(trial.converged);
    near(trial.objective, 0.386_234_751_459_786, 1e-8);
    near(trial.calibration_loss, 0.655_203_732_342_883, 1e-6);
    let row = fit.head.row(2);
    near(f64::from(row[0]), 0.356_469_258, 1e-5);
    near(f64::from(row[1]), -1.512_283_378, 1e-5);
    near(f64::from(fit.head.bias[2]) - fit.offset, 2.023_494_523, 1e-5);
    assert_eq!(fit.head.weight[..4], baseline.weight, "old rows are the baseline's");
    assert_eq!(fit.head.bias[..2], baseline.bias);
}

#[test]
fn a_dial_at_its_safe_end_keeps_its_budget_as_it_is_stored() {
    let baseline = old_head();
    let budget = Budget {
        loss: vec![0.4, 0.0],
        false_new: 1.0,
    };
    let mut n_bounded = 0;
    for step in 0..200 {
        let tau = 0.5 + f64::from(step) / 1000.0;
        let taus = [tau, tau, 0.6];
        let mut input = AppendInput {
            taus: &taus,
            ..append_input(&baseline, &[0.02], &budget)
        };
        let Some(b_safe) = fit_append(&input, &|| true).unwrap().b_safe else {
            continue;
        };
        n_bounded += 1;
        input.offset = Some(b_safe);
        let head = fit_append(&input, &|| true).unwrap().head;
        let (before, after) = (baseline.logits(&input.calibration), head.logits(&input.calibration));
        let (before, after) = (before.unwrap(), after.unwrap());
        let mut counts = [(0_u64, 0_u64); 2];
        for ((old, all), label) in before.iter().zip(after.iter()).zip(CALIBRATION_LABELS) {
            let accepted = |z: &[f64]| label < 2 && top(z).0 == label && (z[label] - log_sum_exp(z)).exp() >= tau;
            if accepted(old) {
                counts[label].0 += 1;
                counts[label].1 += u64::from(!accepted(all));
            }
        }
        for ((n, lost), share) in counts.into_iter().zip(&budget.loss) {
            let most = (share * real_u64(n)).floor();
            assert!(real_u64(lost) <= most, "τ {tau}: {lost} of {n} lost at b_safe {b_safe}");
        }
    }
    assert!(n_bounded > 100, "{n_bounded} worlds have a safe end");
}

type Objective<'a> = dyn Fn(&[f64]) -> (f64, Vec<f64>) + 'a;

/// Largest difference between a gradient and central differences of its value.
fn gradient_error(objective: &Objective<'_>, point: &[f64]) -> f64 {
    const STEP: f64 = 1e-5;
    let (_, gradient) = objective(point);
    let at = |idx: usize, step: f64| {
        let mut moved = point.to_vec();
        moved[idx] += step;
        objective(&moved).0
    };
    let differences = (0..point.len()).map(|idx| (at(idx, STEP) - at(idx, -STEP)) / (2.0 * STEP));
    let errors = differences
        .zip(gradient)
        .map(|(difference, exact)| (difference - exact).abs());
    errors.fold(0.0, f64::max)
}

#[test]
fn gradients_are_what_finite_differences_say() {
    let point: Vec<f64> = (0..9).map(|i| f64::from(i * 5 % 7) * 0.3 - 0.8).collect();
    let cold = cold_objective(&cold_input(&[0.1]), 0.1);
    assert!(gradient_error(&cold, &point) < 1e-9);
    let baseline = old_head();
    let budget = Budget {
        loss: vec![0.1, 0.1],
        false_new: 0.1,
    };
    // Two new classes beside two old ones.
    let labels = [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3];
    let input = AppendInput {
        train_labels: &labels,
        taus: &[0.6; 4],
        ..append_input(&baseline, &[0.1], &budget)
    };
    let append = append_objective(&input, 0.1).unwrap();
    assert!(gradient_error(&append, &point[..6]) < 1e-9);
}
