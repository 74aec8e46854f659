// Runs a WebAssembly program that may read files below the folder above this one.
import { readFileSync } from "node:fs";
import { WASI } from "node:wasi";

const [program, ...files] = process.argv.slice(2);
const wasi = new WASI({
  version: "preview1",
  args: [program, ...files.map((file) => file.replace("../golden", "/golden"))],
  preopens: { "/golden": "../golden" },
});
const module = await WebAssembly.compile(readFileSync(program));
const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
wasi.start(instance);
