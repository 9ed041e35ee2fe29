//! The whole forward pass against a naive one, on small networks that have every odd thing; and weights that are wrong.

pub(crate) mod naive;

use naive::{Tensors, file, gated_spec, naive, odd_spec, preprocessing, random, random_tensors};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::kernels::Isa;
use crate::{Activation, Backbone, EngineError, Padding, Pool, Preprocessing, Recipe, Spec, Tap};

#[test]
fn every_tap_of_an_odd_network_equals_the_naive_pass() {
    let both = [Padding::TfSame, Padding::Symmetric];
    for spec in both.map(odd_spec).into_iter().chain(both.map(gated_spec)) {
        let (tensors, prep) = (random_tensors(&spec), preprocessing(37));
        let weights = file(&tensors);
        let pixels: Vec<u8> = random(5, 37 * 37 * 3, 128.0)
            .iter()
            .map(|value| (value + 128.0) as u8)
            .collect();
        let grid = |trim, cells| Pool::Grid { trim, cells };
        for (tap, pool) in [
            (Tap::Block(0), grid(1, 1)),
            (Tap::Block(1), grid(1, 2)),
            (Tap::Block(2), grid(2, 3)),
            (Tap::Block(3), grid(0, 5)),
            (Tap::Block(4), Pool::Gap),
            (Tap::Head, Pool::Gap),
        ] {
            let recipe = Recipe { tap, pool };
            let Ok(dim) = recipe.dim(&spec) else {
                panic!("{recipe} does not fit {:?}", spec.layers().unwrap());
            };
            let expected = naive(&spec, &tensors, recipe, &prep, &pixels);
            let scale = expected.iter().fold(0.0_f64, |scale, value| scale.max(value.abs()));
            assert!(scale > 0.1 && expected.len() == dim, "{recipe} says something");
            for isa in Isa::available() {
                let backbone = Backbone::load_for(isa, spec.clone(), recipe, prep, &weights).unwrap();
                let mut stream = backbone.stream();
                let mut got = vec![0.0; dim];
                // Twice: nothing of one image may be left for the next.
                stream.features(&vec![255; pixels.len()], &mut got).unwrap();
                stream.features(&pixels, &mut got).unwrap();
                for (index, (got, expected)) in got.iter().zip(&expected).enumerate() {
                    let error = (f64::from(*got) - expected).abs() / scale;
                    assert!(
                        error < 1e-5,
                        "{} {:?} {recipe} {isa:?}: value {index} is {got}, naive {expected}",
                        spec.name,
                        spec.padding
                    );
                }
            }
        }
    }
}

// A whole network takes an interpreter hours.
#[cfg(not(miri))]
#[test]
fn kernels_agree_on_the_real_network() {
    let weights = include_bytes!("../../assets/efficientnet_lite0.features.fp16.safetensors");
    let pixels: Vec<u8> = random(9, 224 * 224 * 3, 128.0)
        .iter()
        .map(|value| (value + 128.0) as u8)
        .collect();
    let features: Vec<(Isa, Vec<f32>)> = Isa::available()
        .into_iter()
        .map(|isa| {
            let (spec, prep) = (Spec::efficientnet_lite0(), Preprocessing::efficientnet_lite0());
            let backbone = Backbone::load_for(isa, spec, Recipe::default_lite0(), prep, weights).unwrap();
            let mut feature = vec![0.0; backbone.dim()];
            backbone.stream().features(&pixels, &mut feature).unwrap();
            (isa, feature)
        })
        .collect();
    let (_, plain) = &features[0];
    let scale = plain.iter().fold(0.0_f32, |scale, value| scale.max(value.abs()));
    for (isa, feature) in &features {
        let error = feature
            .iter()
            .zip(plain)
            .fold(0.0_f32, |error, (a, b)| error.max((a - b).abs()))
            / scale;
        assert!(error <= 1e-4, "{isa:?}: relative error {error}");
        let twin = features
            .iter()
            .find(|(other, _)| other.id() == isa.id())
            .map(|(_, twin)| twin);
        assert!(twin == Some(feature), "{isa:?}: copies of one name give equal bits");
    }
}

#[test]
fn wrong_weights_are_named() {
    let spec = odd_spec(Padding::TfSame);
    let recipe = Recipe {
        tap: Tap::Block(2),
        pool: Pool::Gap,
    };
    let load = |bytes: &[u8]| Backbone::load(odd_spec(Padding::TfSame), recipe, preprocessing(37), bytes);
    let whole = random_tensors(&spec);
    assert!(load(&file(&whole)).is_ok());
    assert!(matches!(
        load(b"not safetensors"),
        Err(EngineError::NotSafetensors { .. })
    ));
    assert!(matches!(
        load(&file(&whole)[..500]),
        Err(EngineError::NotSafetensors { .. })
    ));

    let mut tensors = whole.clone();
    // Past the tap, and still: a backbone is whole or it is another one.
    tensors.remove("blocks.4.project.bias");
    let error = load(&file(&tensors)).unwrap_err().to_string();
    assert!(
        error.contains("blocks.4.project.bias") && error.contains("lack"),
        "{error}"
    );

    let mut tensors = whole.clone();
    tensors.get_mut("blocks.1.dw.weight").unwrap().0 = vec![36, 5, 5, 1];
    let error = load(&file(&tensors)).unwrap_err().to_string();
    assert!(
        error.contains("[36, 5, 5, 1]") && error.contains("[36, 1, 5, 5]"),
        "{error}"
    );

    for damage in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut tensors = whole.clone();
        tensors.get_mut("stem.weight").unwrap().1[7] = damage;
        let error = load(&file(&tensors)).unwrap_err();
        assert!(
            matches!(&error, EngineError::NotFinite { name, index: 7, .. } if name == "stem.weight"),
            "{error}"
        );
    }

    let bytes = vec![0; 33 * 8];
    let view = TensorView::new(Dtype::F64, vec![33], &bytes).unwrap();
    let other = safetensors::serialize([("stem.weight", view)], None).unwrap();
    assert!(matches!(load(&other), Err(EngineError::TensorShape { .. })));

    let error = Backbone::load(spec, recipe, preprocessing(36), &file(&whole)).unwrap_err();
    assert!(
        matches!(
            error,
            EngineError::InputSide {
                expected: 37,
                got: 36,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn the_digest_covers_everything_that_changes_a_feature() {
    let spec = odd_spec(Padding::TfSame);
    let recipe = Recipe {
        tap: Tap::Block(2),
        pool: Pool::Gap,
    };
    let tensors = random_tensors(&spec);
    let digest = |spec: &Spec, recipe, prep, tensors: &Tensors| {
        Backbone::load(spec.clone(), recipe, prep, &file(tensors))
            .unwrap()
            .digest()
    };
    let base = digest(&spec, recipe, preprocessing(37), &tensors);
    assert_eq!(
        digest(&spec, recipe, preprocessing(37), &tensors),
        base,
        "whatever the order in the file"
    );
    let mut other_bias = tensors.clone();
    other_bias.get_mut("blocks.1.dw.bias").unwrap().1[0] += 1e-3;
    let mut other_mean = preprocessing(37);
    other_mean.mean[2] += 1.0;
    let other_tap = Recipe {
        tap: Tap::Block(3),
        ..recipe
    };
    let mut other_activation = spec.clone();
    other_activation.blocks[0].activation = Activation::Linear;
    let others = [
        digest(&spec, recipe, preprocessing(37), &other_bias),
        digest(&spec, recipe, other_mean, &tensors),
        digest(&spec, other_tap, preprocessing(37), &tensors),
        digest(&odd_spec(Padding::Symmetric), recipe, preprocessing(37), &tensors),
        digest(&other_activation, recipe, preprocessing(37), &tensors),
    ];
    let mut all = others.to_vec();
    all.push(base);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 6, "six different things have six names");
}

#[test]
fn a_write_over_frozen_numbers_shows() {
    let spec = odd_spec(Padding::TfSame);
    let recipe = Recipe {
        tap: Tap::Block(2),
        pool: Pool::Gap,
    };
    let bytes = file(&random_tensors(&spec));
    let load = || Backbone::load(spec.clone(), recipe, preprocessing(37), &bytes).unwrap();
    let clean = load();
    assert_eq!(clean.current_digest(), clean.loaded_digest());
    let mut zero = load();
    zero.plan_mut().zero[1] += 1e-3;
    let mut layer = load();
    let [first, second, ..] = &mut layer.plan_mut().blocks[..] else {
        panic!("two blocks up to the tap")
    };
    std::mem::swap(&mut first.project, &mut second.project);
    // One bit of one batch norm's bias, which folding made a bias of the layer.
    let mut bias = load();
    bias.plan_mut().blocks[1].project.flip_bias_bit(3);
    for harmed in [zero, layer, bias] {
        assert_eq!(harmed.loaded_digest(), clean.loaded_digest());
        assert_ne!(harmed.current_digest(), clean.loaded_digest());
    }
}

#[test]
fn buffers_of_another_length_are_refused() {
    let spec = odd_spec(Padding::TfSame);
    let recipe = Recipe {
        tap: Tap::Head,
        pool: Pool::Gap,
    };
    let backbone = Backbone::load(spec.clone(), recipe, preprocessing(37), &file(&random_tensors(&spec))).unwrap();
    let mut stream = backbone.stream();
    let error = stream.features(&[0; 37 * 37], &mut [0.0; 33]).unwrap_err().to_string();
    assert!(error.contains("1369") && error.contains("4107"), "{error}");
    assert!(stream.features(&[0; 37 * 37 * 3], &mut [0.0; 32]).is_err());
}
