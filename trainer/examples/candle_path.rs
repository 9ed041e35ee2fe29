//! The candle path's row of the table of all paths: `candle_path DIR [DEVICE]` answers every `CASE.case.safetensors` there
//! with a `CASE.candle.safetensors` (on a GPU `CASE.KERNEL.safetensors`).
//!
//! A case holds the network's tensors by their names, `pixels` (images, side, side, 3), u8, and as metadata in JSON `spec`,
//! `recipe` and `preprocessing`; an answer holds `features` (images, dim), f32, and as metadata `kernel`.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use trainer::backbone::{Batches, Compute, ComputeDevice};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().ok_or("say the folder of the cases")?;
    let device: ComputeDevice = args.next().as_deref().unwrap_or("cpu").parse()?;
    let compute = device.open()?;
    for entry in fs::read_dir(&dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(case) = name.strip_suffix(".case.safetensors") {
            let by = match device {
                ComputeDevice::Cpu => "candle",
                ComputeDevice::Cuda(_) => compute.kernel(),
            };
            let file = Path::new(&dir).join(format!("{case}.{by}.safetensors"));
            fs::write(&file, answer(&fs::read(&path)?, &compute)?)?;
            println!("{}", file.display());
        }
    }
    Ok(())
}

fn answer(case: &[u8], compute: &Compute) -> Result<Vec<u8>, Box<dyn Error>> {
    let (_, header) = SafeTensors::read_metadata(case)?;
    let about = header.metadata().as_ref().ok_or("the case has no metadata")?;
    let said = |key: &str| about.get(key).ok_or_else(|| format!("the case does not say its {key}"));
    let batches = Batches::new(
        &serde_json::from_str(said("spec")?)?,
        &serde_json::from_str(said("preprocessing")?)?,
        case,
        compute,
    )?;
    let tensors = SafeTensors::deserialize(case)?;
    let pixels = tensors.tensor("pixels")?;
    let n_images = *pixels.shape().first().ok_or("the pixels have no images")?;
    let images: Vec<&[u8]> = pixels
        .data()
        .chunks_exact((pixels.data().len() / n_images.max(1)).max(1))
        .collect();
    let rows = batches
        .features(&[serde_json::from_str(said("recipe")?)?], &images)?
        .concat();
    let bytes: Vec<u8> = rows.iter().flat_map(|value| value.to_le_bytes()).collect();
    let features = TensorView::new(Dtype::F32, vec![n_images, rows.len() / n_images.max(1)], &bytes)?;
    let about = HashMap::from([("kernel".to_owned(), compute.kernel().to_owned())]);
    Ok(safetensors::serialize([("features", features)], Some(about))?)
}
