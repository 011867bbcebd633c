// Runs a Python file on MicroPython's WebAssembly build: node heap32.mjs PACKAGE FILES.json SCRIPT
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [module, files, script] = process.argv.slice(2);
const { loadMicroPython } = await import(pathToFileURL(module).href);
const mp = await loadMicroPython({ heapsize: 8 << 20, stdout: (text) => console.log(text), linebuffer: true });
for (const [path, data] of Object.entries(JSON.parse(readFileSync(files)))) {
  mp.FS.mkdirTree(path.slice(0, path.lastIndexOf("/")) || "/");
  mp.FS.writeFile(path, Buffer.from(data, "base64"));
}
for (const part of readFileSync(script, "utf8").split("# ---\n")) {
  mp.runPython(part);
}
