// A tar archive, byte for byte the same for the same entries: sorted, no time, no owner but root. POSIX ustar, which is all that an
// image layer needs.

export type Entry =
  | { readonly kind: 'file'; readonly path: string; readonly bytes: Buffer; readonly executable?: boolean }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | { readonly kind: 'folder'; readonly path: string; readonly mode?: number };

const BLOCK = 512;

/** Folders above each entry are added where missing. Paths are relative to the root, without a leading slash. */
export function tar(entries: readonly Entry[]): Buffer {
  const all = new Map<string, Entry>();
  for (const entry of entries) {
    const parts = entry.path.split('/');
    for (let n = 1; n < parts.length; n++) {
      const folder = parts.slice(0, n).join('/');
      if (!all.has(folder)) all.set(folder, { kind: 'folder', path: folder });
    }
    all.set(entry.path, entry);
  }
  const sorted = [...all.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
  return Buffer.concat([...sorted.flatMap(blocks), Buffer.alloc(2 * BLOCK)]);
}

function blocks(entry: Entry): readonly Buffer[] {
  switch (entry.kind) {
    case 'folder':
      return [header(`${entry.path}/`, '5', entry.mode ?? 0o755, 0)];
    case 'link':
      return [header(entry.path, '2', 0o777, 0, entry.target)];
    case 'file': {
      const padding = Buffer.alloc((BLOCK - (entry.bytes.length % BLOCK)) % BLOCK);
      return [header(entry.path, '0', entry.executable === true ? 0o755 : 0o644, entry.bytes.length), entry.bytes, padding];
    }
  }
}

function header(path: string, type: string, mode: number, size: number, target = ''): Buffer {
  const { name, prefix } = split(path);
  if (Buffer.byteLength(target) > 100) throw new Error(`The link's target ${target} is longer than tar allows.`);
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, length: number): string => `${value.toString(8).padStart(length - 1, '0')}\0`;
  block.write(name, 0);
  block.write(octal(mode, 8), 100);
  block.write(octal(0, 8), 108);
  block.write(octal(0, 8), 116);
  block.write(octal(size, 12), 124);
  block.write(octal(0, 12), 136);
  block.write('        ', 148);
  block.write(type, 156);
  block.write(target, 157);
  block.write('ustar\u000000', 257);
  block.write(octal(0, 8), 329);
  block.write(octal(0, 8), 337);
  block.write(prefix, 345);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/** 100 bytes of name, and 155 before a slash. */
function split(path: string): { readonly name: string; readonly prefix: string } {
  if (Buffer.byteLength(path) <= 100) return { name: path, prefix: '' };
  for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) {
    const [prefix, name] = [path.slice(0, at), path.slice(at + 1)];
    if (Buffer.byteLength(name) <= 100 && Buffer.byteLength(prefix) <= 155 && name !== '') return { name, prefix };
  }
  throw new Error(`The path ${path} is longer than tar allows.`);
}
