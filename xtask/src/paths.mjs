// Runs the engine's path through WebAssembly: `node paths.mjs MODULE FOLDER PATH` answers every case of a folder.
// What a case and an answer are is told in trainer/engine/examples/paths/case.rs.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [module, folder, path] = process.argv.slice(2);
const { instance } = await WebAssembly.instantiate(readFileSync(module), {});
const { memory, case_of, answer, answer_at } = instance.exports;

for (const file of readdirSync(folder).filter((name) => name.endsWith(".case.safetensors")).sort()) {
  const bytes = readFileSync(join(folder, file));
  const at = case_of(bytes.length) >>> 0;
  new Uint8Array(memory.buffer, at, bytes.length).set(bytes);
  const started = performance.now();
  const length = answer();
  // Memory may have grown, and with it moved.
  const features = new Uint8Array(memory.buffer, answer_at() >>> 0, length);
  const name = file.replace(".case.", `.${path}.`);
  writeFileSync(join(folder, name), features);
  console.log(`${name}: ${((performance.now() - started) / 1000).toFixed(2)} s`);
}
