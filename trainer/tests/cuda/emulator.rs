//! The CUDA kernels compiled as plain C++ and run on the CPU, so that their indices and sums are tested where no GPU is.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use half::f16;

use crate::shapes::Shape;

const KERNELS: &str = include_str!("../../src/backbone/depthwise/depthwise.cu");
const AROUND: &str = include_str!("emulator.cpp");

/// The type that a kernel's tensors have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    F32,
    F16,
}

/// The compiled program; the folder is removed with it.
pub(crate) struct Emulator {
    _dir: tempfile::TempDir,
    binary: PathBuf,
}

impl Emulator {
    /// Compiled by the system's C++ compiler, which nvcc needs as well.
    pub(crate) fn compile() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // The two conversions are instructions of a GPU.
        let up = r#"asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(value.bits));"#;
        let down = r#"asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));"#;
        assert!(KERNELS.contains(up) && KERNELS.contains(down));
        let kernels = KERNELS
            .replace(up, "wide = wide_of(value.bits);")
            .replace(down, "bits = bits_of(value);");
        let source = format!("#define PROLOGUE\n{AROUND}\n#undef PROLOGUE\n{kernels}\n{AROUND}");
        let (file, binary) = (dir.path().join("emulator.cpp"), dir.path().join("emulator"));
        std::fs::write(&file, source).unwrap();
        let mut compiler = Command::new("c++");
        compiler.args(["-std=c++20", "-O1", "-pthread", "-Wno-unknown-pragmas", "-o"]);
        let output = compiler.arg(&binary).arg(&file).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { _dir: dir, binary }
    }

    /// Runs a kernel on a grid over `inputs`; its `n_out` values.
    pub(crate) fn run(&self, call: &Call<'_>, inputs: &[&[f32]], n_out: usize) -> Vec<f32> {
        let suffix = match call.of {
            Type::F32 => "f32",
            Type::F16 => "f16",
        };
        let mut command = Command::new(&self.binary);
        command.arg(format!("{}_{suffix}{}", call.name, call.variant));
        let lengths = (0..3).map(|at| inputs.get(at).map_or(0, |input| input.len()));
        let numbers = call
            .grid
            .into_iter()
            .chain(call.shape.numbers())
            .chain(lengths)
            .chain([n_out]);
        command.args(numbers.map(|number| number.to_string()));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let bytes: Vec<u8> = inputs.iter().flat_map(|input| to_bytes(input, call.of)).collect();
        // Dropped behind the write, so that the program sees the end. It reads everything before it writes.
        child.stdin.take().unwrap().write_all(&bytes).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{} {}: {}",
            call.name,
            call.variant,
            output.status
        );
        // Sums for the weight are f32 whatever goes in.
        let of = if call.name == "gradient_of_weight" {
            Type::F32
        } else {
            call.of
        };
        from_bytes(&output.stdout, of)
    }
}

/// A kernel's name, its variant, the type of its tensors, its grid and the shape that it is called with.
pub(crate) struct Call<'a> {
    pub(crate) name: &'a str,
    pub(crate) variant: &'a str,
    pub(crate) of: Type,
    pub(crate) grid: [usize; 3],
    pub(crate) shape: &'a Shape,
}

fn to_bytes(values: &[f32], of: Type) -> Vec<u8> {
    let bytes = |value: &f32| match of {
        Type::F32 => value.to_le_bytes().to_vec(),
        Type::F16 => f16::from_f32(*value).to_le_bytes().to_vec(),
    };
    values.iter().flat_map(bytes).collect()
}

fn from_bytes(bytes: &[u8], of: Type) -> Vec<f32> {
    match of {
        Type::F32 => bytes
            .as_chunks()
            .0
            .iter()
            .map(|word| f32::from_le_bytes(*word))
            .collect(),
        Type::F16 => bytes
            .as_chunks()
            .0
            .iter()
            .map(|word| f16::from_le_bytes(*word).to_f32())
            .collect(),
    }
}
